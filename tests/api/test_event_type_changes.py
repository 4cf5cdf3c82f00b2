"""Changing an event type through the API: each change is audited; what is refused changes nothing."""

import asyncio
import json
from typing import Any

import pytest

from event_issuer.app import Issuer
from event_issuer.domain.access import Action, Policy
from tests.api.partners import TYPE, Partner, Partners, Refused, event
from tests.api.webhooks import AGREES, TAKES, header
from tests.db.rows import select
from tests.egress.receiver import Receivers

UPDATE = """mutation ($input: UpdateEventTypeInput!) { updateEventType(input: $input) { eventType {
  description audience compatibility validation status sunsetAt deprecatedAt migrationUrl
  retentionSeconds retentionBytes plainJsonSource } } }"""
AUDIT = "SELECT detail FROM audit_entries WHERE action = 'update' AND object_kind = 'event type' ORDER BY id"
AS_MADE = {
    "description": "Trains that arrived.",
    "audience": "GRANTED",
    "compatibility": "FORWARD",
    "validation": "ENFORCED",
    "status": "ACTIVE",
    "sunsetAt": None,
    "deprecatedAt": None,
    "migrationUrl": None,
    "retentionSeconds": None,
    "retentionBytes": None,
    "plainJsonSource": None,
}
SUNSET = "2099-12-31T23:59:59Z"
MIGRATION = "https://example.com/trains#v2"


async def update(partner: Partner, **changes: object) -> Any:
    given = {"eventType": TYPE, **changes}
    return (await partner.ask(UPDATE, input=given))["updateEventType"]["eventType"]


async def audited(issuer: Issuer) -> list[Any]:
    return [json.loads(row[0]) for row in await select(issuer.database, AUDIT)]


@pytest.fixture(autouse=True)
async def event_type(operator: Partner) -> Any:
    return await operator.create_type()


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ({"description": "Trains that came."}, {"description": "Trains that came."}),
        ({"audience": "OPEN"}, {"audience": "OPEN"}),
        ({"compatibility": "FULL_TRANSITIVE"}, {"compatibility": "FULL_TRANSITIVE"}),
        ({"validation": "OFF"}, {"validation": "OFF"}),
        ({"retentionSeconds": 3600}, {"retention_s": 3600}),
        ({"retentionBytes": 1_000_000}, {"retention_bytes": 1_000_000}),
        ({"plainJsonSource": "//kafka/trains"}, {"plain_json_source": "//kafka/trains"}),
    ],
)
async def test_each_field_is_changed_by_itself(
    operator: Partner, issuer: Issuer, given: dict[str, object], column: dict[str, object]
) -> None:
    assert await update(operator, **given) == AS_MADE | given
    assert await audited(issuer) == [{"name": TYPE, **column}]


async def test_what_changes_nothing_is_not_audited(operator: Partner, issuer: Issuer) -> None:
    nothing = {"description": None, "audience": None, "status": "ACTIVE", "sunsetAt": None, "retentionSeconds": None}
    assert await update(operator) == AS_MADE
    assert await update(operator, **nothing) == AS_MADE
    assert await audited(issuer) == []


async def test_null_takes_the_default_retention(operator: Partner) -> None:
    await update(operator, retentionSeconds=3600, retentionBytes=1000)
    assert await update(operator, retentionSeconds=None) == AS_MADE | {"retentionBytes": 1000}
    assert await update(operator, retentionBytes=None) == AS_MADE


async def test_null_unsets_the_source_of_plain_json(operator: Partner) -> None:
    assert await update(operator, plainJsonSource="/trains") == AS_MADE | {"plainJsonSource": "/trains"}
    assert await update(operator, audience="OPEN") == AS_MADE | {"plainJsonSource": "/trains", "audience": "OPEN"}
    assert await update(operator, audience="GRANTED", plainJsonSource=None) == AS_MADE


async def test_a_type_is_deprecated_and_taken_back(operator: Partner, issuer: Issuer) -> None:
    deprecated = await update(operator, status="DEPRECATED")
    since = deprecated["deprecatedAt"]
    assert since is not None
    assert deprecated == AS_MADE | {"status": "DEPRECATED", "deprecatedAt": since}
    complete = await update(operator, sunsetAt=SUNSET, migrationUrl=MIGRATION)
    assert complete == deprecated | {"sunsetAt": SUNSET, "migrationUrl": MIGRATION}
    assert await update(operator, status="DEPRECATED") == complete
    later = await update(operator, sunsetAt="2100-12-31T23:59:59Z")
    assert later == complete | {"sunsetAt": "2100-12-31T23:59:59Z"}
    assert await update(operator, sunsetAt=None, migrationUrl=None) == deprecated
    assert await update(operator, status="ACTIVE") == AS_MADE
    details = await audited(issuer)
    assert [sorted(detail.keys() - {"name"}) for detail in details] == [
        ["deprecated_at_us", "status"],
        ["migration_url", "sunset_at_us"],
        ["sunset_at_us"],
        ["migration_url", "sunset_at_us"],
        ["deprecated_at_us", "status"],
    ]


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"description": ""}, "BAD_USER_INPUT", "A description has 1 to 4096 characters, not 0."),
        ({"retentionSeconds": 59}, "BAD_USER_INPUT", "retentionSeconds is 60 to 3153600000, not 59."),
        ({"retentionSeconds": 2**60}, "BAD_USER_INPUT", f"retentionSeconds is 60 to 3153600000, not {2**60}."),
        ({"retentionBytes": 0}, "BAD_USER_INPUT", f"retentionBytes, of one partition, is 1 to {2**50}, not 0."),
        (
            {"retentionBytes": 2**51},
            "BAD_USER_INPUT",
            f"retentionBytes, of one partition, is 1 to {2**50}, not {2**51}.",
        ),
        (
            {"plainJsonSource": ""},
            "BAD_USER_INPUT",
            "plainJsonSource becomes the source of events: source is",
        ),
        ({"plainJsonSource": "a b"}, "BAD_USER_INPUT", "source is a non-empty URI-reference"),
        ({"plainJsonSource": "/" + "a" * 2048}, "BAD_USER_INPUT", "at most 2048 are allowed"),
        ({"sunsetAt": SUNSET}, "BAD_USER_INPUT", "Only a DEPRECATED event type has a sunset"),
        ({"migrationUrl": MIGRATION}, "BAD_USER_INPUT", "Only a DEPRECATED event type has a sunset"),
        ({"status": "ACTIVE", "sunsetAt": SUNSET}, "BAD_USER_INPUT", "Only a DEPRECATED event type"),
        (
            {"status": "DEPRECATED", "sunsetAt": "2020-01-01T00:00:00Z"},
            "BAD_USER_INPUT",
            "A sunset is in the future, not at 2020-01-01T00:00:00.000000Z.",
        ),
        ({"status": "DEPRECATED", "migrationUrl": "ftp://a/b"}, "BAD_USER_INPUT", "A migration URL is http or https"),
        ({"status": "DEPRECATED", "migrationUrl": "https://a/b c"}, "BAD_USER_INPUT", "A migration URL is http"),
        ({"status": "DEPRECATED", "migrationUrl": "https://a/" + "b" * 1024}, "BAD_USER_INPUT", "at most 1024"),
    ],
)
async def test_a_bad_change_is_refused(
    operator: Partner, issuer: Issuer, given: dict[str, object], code: str, message: str
) -> None:
    with pytest.raises(Refused) as refused:
        await update(operator, **{"description": "Changed.", **given})
    assert refused.value.code == code
    assert message in refused.value.message
    assert await update(operator) == AS_MADE
    assert await audited(issuer) == []


async def test_a_sunset_is_never_brought_forward(operator: Partner, issuer: Issuer) -> None:
    deprecated = await update(operator, status="DEPRECATED", sunsetAt=SUNSET)
    with pytest.raises(Refused) as refused:
        await update(operator, sunsetAt="2098-01-01T00:00:00Z")
    assert refused.value.code == "CONFLICT"
    assert refused.value.message == (
        "A sunset that was announced moves to a later time only: it is 2099-12-31T23:59:59.000000Z, and "
        "2098-01-01T00:00:00.000000Z is before it."
    )
    assert await update(operator) == deprecated
    assert len(await audited(issuer)) == 1
    await update(operator, status="ACTIVE")
    assert (await update(operator, status="DEPRECATED", sunsetAt="2098-01-01T00:00:00Z"))["status"] == "DEPRECATED"


async def test_only_the_owner_changes_a_type(operator: Partner, partners: Partners, issuer: Issuer) -> None:
    colleague = await partners.invite("banenor", principal="colleague")
    foreigner = await partners.invite("acme", Policy(Action.MANAGE_EVENT_TYPES, "*"))
    for partner, code in ((colleague, "FORBIDDEN"), (foreigner, "NOT_FOUND")):
        with pytest.raises(Refused) as refused:
            await update(partner, audience="OPEN")
        assert refused.value.code == code
    with pytest.raises(Refused, match=r"NOT_FOUND: Your tenant has no event type 'a\.nowhere'\."):
        await operator.ask(UPDATE, input={"eventType": "a.nowhere", "audience": "OPEN"})
    assert await update(operator) == AS_MADE
    assert await audited(issuer) == []


async def test_a_deprecation_is_told_with_each_delivery(operator: Partner, receivers: Receivers) -> None:
    receiver = await receivers(AGREES, TAKES)
    await operator.subscribe(receiver.url)
    await operator.produce(event("1"))
    await receiver.asked(2)
    assert header(receiver.requests[-1], "ce-deprecated") is None
    await update(operator, status="DEPRECATED", sunsetAt=SUNSET, migrationUrl=MIGRATION)
    count = 2
    async with asyncio.timeout(5):
        while header(receiver.requests[-1], "ce-deprecated") is None:
            await operator.produce(event(str(count)))
            count += 1
            await receiver.asked(count)
    told = receiver.requests[-1]
    assert header(told, "ce-deprecated") == "true"
    assert header(told, "ce-deprecationsunset") == "2099-12-31T23:59:59.000000Z"
    assert header(told, "ce-deprecationmigration") == MIGRATION
