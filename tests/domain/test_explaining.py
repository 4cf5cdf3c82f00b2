"""The table that explains deliveries: each rule, what comes before what, and that the documents print it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from event_issuer.domain.cursor import Cursor
from event_issuer.domain.explaining import (
    RULES,
    DeliveryVerdict,
    Explanation,
    Facts,
    LaneStanding,
    Obstacle,
    ParkedStanding,
    Progress,
    Try,
    explain,
)
from event_issuer.domain.subscriptions import Status
from event_issuer.domain.unreadable import UnreadableReason
from event_issuer.domain.verdicts import Standing

PAGE = (Path(__file__).parents[2] / "docs" / "explaining.md").read_text("utf-8")
V = DeliveryVerdict
NOW = 1_000
# At offset 5; its lane began at 2, and has settled what is below 3, and 4.
PENDING = Facts(
    NOW, Status.RUNNING, 100, offset=5, event_type="a.b", recorded_at=500, lane=LaneStanding(2, Cursor(3, [[4, 5]]))
)
SETTLED = replace(PENDING, lane=LaneStanding(2, Cursor(6)))
OLD = replace(SETTLED, recorded_at=50)
PARKED = ParkedStanding(5, 2, NOW + 60, None, "The endpoint answered 500.")
HEAD = ParkedStanding(4, 1, NOW + 9)
FAILED, DELIVERED = Try(1, False, "The endpoint answered 500."), Try(2, True)
TURN = Obstacle("its turn in its lane")
PAUSE = Obstacle("the pause that the endpoint asked for", NOW + 7)
STARTED = Obstacle("the subscription to be started")

CASES: list[tuple[Facts, V, bool, str, Obstacle | None]] = [
    (Facts(NOW, Status.RUNNING, 100), V.UNKNOWN, False, "There is no such event.", None),
    (
        replace(SETTLED, may_consume=False, tries=[DELIVERED]),
        *(V.NOT_ALLOWED, True, "You need a policy for CONSUME on a.b to hear more.", None),
    ),
    (replace(SETTLED, tries=[FAILED, DELIVERED]), V.DELIVERED, True, "Attempt 2 delivered it.", None),
    (replace(OLD, tries=[DELIVERED]), V.DELIVERED, False, "Attempt 2 delivered it.", None),
    (replace(OLD, tries=[FAILED, DELIVERED]), V.DELIVERED, True, "Attempt 2 delivered it.", None),
    (
        replace(PENDING, progress=Progress.REQUEST, status=Status.STOPPING),
        *(V.IN_FLIGHT, True, "A request with it is under way.", Obstacle("the endpoint's answer")),
    ),
    (
        replace(SETTLED, tries=[FAILED], parked=replace(PARKED, next_attempt_at=None, dead_lettered_at=NOW)),
        *(V.DEAD_LETTERED, True, "It failed for good and is a dead letter. The endpoint answered 500.", None),
    ),
    (
        replace(SETTLED, tries=[FAILED], parked=PARKED),
        *(V.PARKED, True, "It is parked after 2 failed attempts. The endpoint answered 500."),
        Obstacle("its next attempt", NOW + 60),
    ),
    (
        replace(SETTLED, parked=replace(PARKED, attempts=1, next_attempt_at=NOW), status=Status.RESTART),
        *(V.PARKED, True, "It is parked after one failed attempt. The endpoint answered 500."),
        Obstacle("its next attempt, which is due: for room among the requests under way"),
    ),
    (
        replace(SETTLED, parked=replace(PARKED, attempts=0), obstacle=PAUSE),
        *(V.PARKED, True, "It is parked, and its turn has come: it has not been tried yet.", PAUSE),
    ),
    (
        replace(SETTLED, parked=PARKED, status=Status.STOPPED, obstacle=PAUSE),
        *(V.PARKED, True, "It is parked after 2 failed attempts. The endpoint answered 500.", STARTED),
    ),
    (
        replace(PENDING, lane=None),
        *(V.NOT_SUBSCRIBED, True, "The subscription does not name the event type a.b.", None),
    ),
    (
        replace(PENDING, lane=LaneStanding(6, Cursor(6))),
        *(V.BEFORE_START, True, "It is at offset 5; the subscription begins at 6 in this partition.", None),
    ),
    (
        replace(PENDING, standing=Standing.HELD),
        *(V.QUARANTINED, True, "It breaks its contract and is held in quarantine."),
        Obstacle("whoever manages its event type to release or discard it"),
    ),
    (
        replace(SETTLED, standing=Standing.DEAD_LETTERED),
        *(V.QUARANTINED, True),
        *("It breaks its contract, which its event type enforces: it is never delivered.", None),
    ),
    (
        replace(SETTLED, standing=Standing.DISCARDED),
        *(V.QUARANTINED, True, "It broke its contract, and was discarded from quarantine.", None),
    ),
    (
        replace(PENDING, standing=Standing.HELD, unreadable=UnreadableReason.DATA),
        *(V.QUARANTINED, True, "Its record is no event that could be delivered (DATA), and is passed.", None),
    ),
    (replace(PENDING, standing=Standing.RELEASED, status=Status.RUNNING), V.PENDING, True, "", TURN),
    (
        replace(SETTLED, recorded_at=None),
        *(V.UNKNOWN, False),
        *("The log no longer has it (retention or compaction took it), and nothing is on record of it.", None),
    ),
    (
        replace(PENDING, recorded_at=None),
        *(V.UNKNOWN, False),
        "The log no longer has it (retention or compaction took it), and nothing is on record of it. It had not been "
        "delivered.",
        None,
    ),
    (
        replace(PENDING, filtered_by="not /subject", head=HEAD),
        *(V.FILTERED_OUT, True, "The subscription does not take it: not /subject", None),
    ),
    (replace(OLD, filtered_by="x"), V.FILTERED_OUT, False, "The subscription does not take it: x", None),
    (
        replace(SETTLED, head=HEAD),
        *(V.BEHIND_KEY, True),
        "An earlier event of the same partition key, at offset 4, failed and blocks the key.",
        Obstacle("the next attempt at the event at offset 4", NOW + 9),
    ),
    (
        replace(SETTLED, head=replace(HEAD, next_attempt_at=None, dead_lettered_at=NOW)),
        *(V.BEHIND_KEY, True),
        "An earlier event of the same partition key, at offset 4, failed and blocks the key.",
        Obstacle("somebody to retry or discard the dead letter at offset 4"),
    ),
    (
        replace(SETTLED, tries=[FAILED]),
        *(V.DEAD_LETTERED, False),
        "Attempt 1 failed: The endpoint answered 500. It was given up, and the dead letter has been removed since.",
        None,
    ),
    (
        SETTLED,
        *(V.FILTERED_OUT, True),
        "It was settled without an attempt: the filter or the pinned schema version of that time did not take it.",
        None,
    ),
    (
        OLD,
        *(V.UNKNOWN, False),
        *("It is settled: delivered, filtered out or given up. Which of them is no longer on record.", None),
    ),
    (
        replace(PENDING, status=Status.STOPPED, obstacle=PAUSE),
        *(V.NOT_RUNNING, True, "It has not been sent: the subscription is STOPPED.", STARTED),
    ),
    (
        replace(PENDING, status=Status.INITIALIZING),
        *(V.NOT_RUNNING, True, "It has not been sent: the subscription is INITIALIZING."),
        Obstacle("the endpoint to agree that it wants to receive"),
    ),
    (
        replace(PENDING, status=Status.FAILED),
        *(V.NOT_RUNNING, True, "It has not been sent: the subscription is FAILED."),
        Obstacle("the subscription to be verified and started"),
    ),
    (
        replace(PENDING, progress=Progress.ENDED),
        *(V.IN_FLIGHT, True, "The request with it has ended.", Obstacle("its outcome to be written down")),
    ),
    (replace(PENDING, obstacle=PAUSE), V.PENDING, True, "", PAUSE),
    (
        PENDING,
        *(V.PENDING, True),
        "Its lane has not settled it. Events before it in its partition that are not settled either: 1.",
        TURN,
    ),
]


@pytest.mark.parametrize(("facts", "verdict", "is_recorded", "reason", "waits"), CASES)
def test_the_first_rule_that_fits_explains(
    facts: Facts, verdict: V, is_recorded: bool, reason: str, waits: Obstacle | None
) -> None:
    found = explain(facts)
    assert found == Explanation(verdict, is_recorded, reason or found.reason, waits)


def test_every_rule_explains_something() -> None:
    deciding = [next(rule for rule in RULES if rule.fits(facts)) for facts, *_ in CASES]
    assert [rule.condition for rule in RULES if rule not in deciding] == []
    assert {rule.verdict for rule in RULES} == set(DeliveryVerdict)


def test_every_state_says_what_an_event_waits_for() -> None:
    assert {status for status in Status if explain(replace(PENDING, status=status)).waits is None} == set()


def test_the_documents_print_the_table() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert rows == [(rule.verdict.value, rule.condition) for rule in RULES]


@pytest.mark.parametrize(("offset", "count"), [(0, 0), (3, 0), (4, 1), (5, 1), (6, 2), (7, 2), (8, 2), (9, 3)])
def test_what_is_not_settled_before_an_offset_is_counted(offset: int, count: int) -> None:
    assert Cursor(3, [[4, 5], [6, 8]]).unsettled_before(offset) == count
