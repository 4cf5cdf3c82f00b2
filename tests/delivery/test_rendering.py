"""Rendering: each form is made once for all lanes, says what is true of its type, and is let go in its turn."""

import pytest

from event_issuer.delivery.rendering import StructuredForms, render
from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.events import CloudEvent
from event_issuer.eventlog.protocol import LogRecord
from tests.delivery.world import STARTED_AT

SINCE = b'"deprecated":"true","deprecationfrom":"2025-10-09T08:53:20.000000Z"'


def record(offset: int = 0) -> LogRecord:
    attributes = {"specversion": "1.0", "id": f"e{offset}", "source": "/s", "type": "t"}
    return LogRecord(1, offset, STARTED_AT, None, CloudEvent(attributes, b"{}"))


def test_a_structured_form_is_made_once() -> None:
    forms, event = StructuredForms(), record()
    wire = forms.of(event, None)
    assert [forms.of(event, None) is wire for _ in range(9)] == [True] * 9
    assert forms.renderings == 1
    assert wire.body == b'{"id":"e0","source":"/s","specversion":"1.0","type":"t","data":{}}'


def test_both_forms_say_that_their_type_is_deprecated() -> None:
    forms, event, deprecation = StructuredForms(), record(), Deprecation(STARTED_AT)
    plain = (render(event, None), forms.of(event, None))
    assert (event.wire, event.structured) == plain
    assert SINCE in forms.of(event, deprecation).body
    assert event.wire is None
    assert b"ce-deprecated: true\r\n" in render(event, deprecation).head
    assert (render(event, None), forms.of(event, None)) == plain


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_the_oldest_forms_are_let_go(kept: int) -> None:
    forms = StructuredForms(bytes_max=66 * kept)
    events = [record(offset) for offset in range(4)]
    for event in events:
        assert len(forms.of(event, None).body) == 66
    assert [event.structured is not None for event in events] == [False] * (4 - kept) + [True] * kept
