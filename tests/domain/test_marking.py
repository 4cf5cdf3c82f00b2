"""Test events are marked, as the documents say."""

import re
from pathlib import Path

from event_issuer.domain.events import CloudEvent, read_attributes
from event_issuer.domain.marking import ATTRIBUTE, HEADER_LINE, SOURCE, marked_event
from event_issuer.resolvers.test_deliveries import TestDeliveryStatus

PAGE = (Path(__file__).parents[2] / "docs" / "test-events.md").read_text("utf-8")


def test_a_marked_event_is_a_good_cloudevent() -> None:
    event = marked_event("a.b", "1", "https://a.example/v1/schemas/a.b/1", b"{}", 1_700_000_000_000_000)
    assert event == CloudEvent(
        {
            "specversion": "1.0",
            "id": "1",
            "source": SOURCE,
            "type": "a.b",
            "time": "2023-11-14T22:13:20.000000Z",
            "datacontenttype": "application/json",
            "dataschema": "https://a.example/v1/schemas/a.b/1",
            "testevent": "true",
        },
        b"{}",
    )
    assert read_attributes(event.attributes) == (event.attributes, [])


def test_the_documents_name_the_marks_and_the_states() -> None:
    assert re.findall(r"^\| `([A-Z]+)` \|", PAGE, re.MULTILINE) == [status.value for status in TestDeliveryStatus]
    assert f"| `{HEADER_LINE.decode().strip()}` |" in PAGE
    assert f"| `{ATTRIBUTE}` = `true` |" in PAGE
    assert f"`source` is `{SOURCE}`" in PAGE
