"""The deprecation extension: what an event of a deprecated type says, where its producer says nothing."""

import pytest

from event_issuer.domain.deprecation import NAMES, Deprecation
from event_issuer.domain.events import CloudEvent, read_attributes

SINCE = 1_728_604_800_000_000  # 2024-10-11T00:00:00Z
SUNSET = 1_731_369_600_000_001
ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def test_an_event_says_all_that_is_known() -> None:
    event = CloudEvent(dict(ATTRIBUTES), b"{}")
    told = Deprecation(SINCE, SUNSET, "https://example.com/migrate").told_by(event)
    assert told.attributes == ATTRIBUTES | {
        "deprecated": "true",
        "deprecationfrom": "2024-10-11T00:00:00.000000Z",
        "deprecationsunset": "2024-11-12T00:00:00.000001Z",
        "deprecationmigration": "https://example.com/migrate",
    }
    assert told.data == b"{}"
    assert event.attributes == ATTRIBUTES
    assert read_attributes(told.attributes) == (told.attributes, [])


def test_what_is_not_known_is_not_said() -> None:
    told = Deprecation(SINCE).told_by(CloudEvent(dict(ATTRIBUTES), None))
    assert told.attributes == ATTRIBUTES | {"deprecated": "true", "deprecationfrom": "2024-10-11T00:00:00.000000Z"}


@pytest.mark.parametrize("name", NAMES)
def test_what_the_producer_says_stands_alone(name: str) -> None:
    event = CloudEvent(ATTRIBUTES | {name: "false"}, b"{}")
    assert Deprecation(SINCE).told_by(event) is event
