"""Attempts through the API: filters, alone and together, in pages either way, on both stores."""

from typing import Any

import pytest

from event_issuer.app import Issuer
from event_issuer.db.attempts import WRITTEN_WITHIN_S
from event_issuer.db.work import Row, Statement, Work, batches, insertion
from event_issuer.domain.time import SECOND_US, system_clock, to_rfc3339
from event_issuer.graphql.ids import event_id
from tests.api.partners import Partner, Refused
from tests.db.rows import select

URL = "http://127.0.0.1:9/hook"
HOUR_S = 3600
# Three days ago: what is older than a month is removed, also while a test looks at it.
T0 = (system_clock() // (HOUR_S * SECOND_US) - 72) * HOUR_S * SECOND_US
PAGE = """query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $filter: AttemptFilter) {
  webhookSubscription(id: $id) {
    attempts(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
      nodes { number } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
LAG = "query ($id: ID!) { webhookSubscription(id: $id) { lag { droppedDeadLetters expired } } }"
ATTEMPT = {
    "subscription_id": "bigint",
    "partition_id": "bigint",
    "log_offset": "bigint",
    "kind": "text",
    "number": "integer",
    "started_at_us": "bigint",
    "duration_us": "bigint",
    "outcome": "text",
    "trace_id": "text",
}
OUTCOMES = ("DELIVERED", "DELIVERED", "RETRY", "DELIVERED", "REFUSED")


def attempt(subscription_id: int, number: int) -> Row:
    """Two of three are a second apart, three hours after the two before. The third began earlier than both, and was
    written down as late as can be."""
    started_at = T0 + (number // 3) * 3 * HOUR_S * SECOND_US + number % 3 * SECOND_US
    if number % 3 == 2:
        started_at -= (WRITTEN_WITHIN_S - 1) * SECOND_US
    outcome = OUTCOMES[number % 5]
    return (subscription_id, 1, number // 2, "DELIVERY", number, started_at, 1, outcome, "t")


@pytest.fixture
async def subscription(operator: Partner, issuer: Issuer) -> str:
    """With 40 attempts; every second row is another subscription's."""
    await operator.create_type()
    made = await operator.subscribe(URL, verification="NONE")
    await operator.subscribe(URL, verification="NONE")
    rows = [attempt(id_, number) for number in range(40) for id_ in (1, 2)]

    def work() -> Work[None]:
        for part in batches(ATTEMPT, rows):
            yield insertion(issuer.database.dialect, "attempts", ATTEMPT, part)

    await issuer.database.run(work())
    id_: str = made["webhookSubscription"]["id"]
    return id_


async def page(partner: Partner, id_: str, **arguments: object) -> Any:
    return (await partner.ask(PAGE, id=id_, **arguments))["webhookSubscription"]["attempts"]


async def numbers(partner: Partner, id_: str, **filter: object) -> list[int]:
    """Forwards by pages of three; backwards it is the same."""
    found: list[int] = []
    after, more = None, True
    while more:
        got = await page(partner, id_, first=3, after=after, filter=filter or None)
        found += [node["number"] for node in got["nodes"]]
        after, more = got["pageInfo"]["endCursor"], got["pageInfo"]["hasNextPage"]
    back: list[int] = []
    before, more = None, True
    while more:
        got = await page(partner, id_, last=7, before=before, filter=filter or None)
        back = [node["number"] for node in got["nodes"]] + back
        before, more = got["pageInfo"]["startCursor"], got["pageInfo"]["hasPreviousPage"]
    assert back == found
    return found


def at(hours: float) -> str:
    return to_rfc3339(T0 + round(hours * HOUR_S * SECOND_US))


async def test_attempts_are_filtered(operator: Partner, issuer: Issuer, subscription: str) -> None:
    everything = range(40)
    rows = [attempt(1, number) for number in everything]
    assert await numbers(operator, subscription) == list(everything)
    for outcome in ("DELIVERED", "RETRY", "REFUSED", "GONE"):
        wanted = [row[4] for row in rows if row[7] == outcome]
        assert await numbers(operator, subscription, outcome=outcome) == wanted
    assert await numbers(operator, subscription, kind="DELIVERY") == list(everything)
    log_id = issuer.operations.log_id
    assert await numbers(operator, subscription, event=event_id(log_id, 1, 7)) == [14, 15]
    assert await numbers(operator, subscription, event=event_id(log_id, 2, 7)) == []
    assert await numbers(operator, subscription, event=event_id(log_id, 1, 7), outcome="REFUSED") == [14]


@pytest.mark.parametrize(
    ("since", "until"),
    [(0, 0), (0, 40), (-5, 50), (12, 21), (11.9, 12.1), (12, 12.0003), (12.1, 12.9), (39, 99), (41, 50)],
)
async def test_attempts_of_a_time(operator: Partner, subscription: str, since: float, until: float) -> None:
    """Whatever the order in which they were written down."""
    rows = [attempt(1, number) for number in range(40)]
    begin, end = (T0 + round(hours * HOUR_S * SECOND_US) for hours in (since, until))
    assert await numbers(operator, subscription, since=at(since), until=at(until)) == [
        row[4] for row in rows if begin <= row[5] < end
    ]
    assert await numbers(operator, subscription, since=at(since)) == [row[4] for row in rows if row[5] >= begin]
    assert await numbers(operator, subscription, until=at(until), outcome="RETRY") == [
        row[4] for row in rows if row[5] < end and row[7] == "RETRY"
    ]


async def test_what_names_no_event_is_refused(operator: Partner, issuer: Issuer, subscription: str) -> None:
    for wrong in ("x", subscription, event_id("another-log", 1, 7)):
        with pytest.raises(Refused, match=r"BAD_USER_INPUT: .* is no id of an event of this log"):
            await page(operator, subscription, filter={"event": wrong})


async def test_lag_tells_what_was_dropped_and_what_expired(
    operator: Partner, issuer: Issuer, subscription: str
) -> None:
    def work() -> Work[None]:
        yield Statement("UPDATE subscriptions SET dropped_dead_letters = 7 WHERE id = 1")
        yield Statement("UPDATE lanes SET expired_count = 3 WHERE subscription_id = 1")

    lag = (await operator.ask(LAG, id=subscription))["webhookSubscription"]["lag"]
    assert lag == {"droppedDeadLetters": 0, "expired": 0}
    await issuer.database.run(work())
    lag = (await operator.ask(LAG, id=subscription))["webhookSubscription"]["lag"]
    assert lag == {"droppedDeadLetters": 7, "expired": 3}


async def test_failures_are_found_by_their_own_index(issuer: Issuer, subscription: str) -> None:
    """On SQLite, whose choice does not depend on how much is there."""
    if issuer.database.dialect == "sqlite":
        plan = await select(
            issuer.database,
            "EXPLAIN QUERY PLAN SELECT * FROM attempts WHERE subscription_id = 1 AND outcome = 'RETRY' "
            "AND outcome <> 'DELIVERED' AND id > 5 ORDER BY id LIMIT 51",
        )
        assert [str(row[3]) for row in plan] == [
            "SEARCH attempts USING INDEX failed_attempts (subscription_id=? AND outcome=? AND id>?)"
        ]
