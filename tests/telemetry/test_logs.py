"""Lines: bounded, printable, and under the trace id of the request that is answered."""

import logging

from structlog.typing import EventDict

from event_issuer.domain.trace_context import TraceContext
from event_issuer.telemetry.logs import FIELD_LENGTH_MAX, ITEMS_MAX, NowAndThen, add_trace_id, bound_fields
from event_issuer.telemetry.requests import RequestFacts, current_request

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def bounded(**fields: object) -> EventDict:
    return bound_fields(None, "info", {**fields})


def test_a_long_text_is_cut() -> None:
    assert bounded(error="x" * FIELD_LENGTH_MAX) == {"error": "x" * FIELD_LENGTH_MAX}
    assert bounded(error="x" * 10_000) == {"error": "x" * FIELD_LENGTH_MAX + "…"}
    assert bounded(codes=["x" * 10_000] * 1_000) == {"codes": ["x" * FIELD_LENGTH_MAX + "…"] * ITEMS_MAX}


def test_a_text_forges_no_line() -> None:
    assert bounded(event="a\nb\x1b[31m") == {"event": "a\\nb\\x1b[31m"}
    assert bounded(event="Ås 駅") == {"event": "Ås 駅"}


def test_other_values_and_tracebacks_stay_whole() -> None:
    line: EventDict = {"number": 7, "none": None, "exception": "a\n" * 1_000}
    assert bounded(**line) == line


def test_a_line_bears_the_trace_of_its_request() -> None:
    assert add_trace_id(None, "info", {}) == {}
    token = current_request.set(RequestFacts(TraceContext(TRACE_ID)))
    assert add_trace_id(None, "info", {}) == {"trace_id": TRACE_ID}
    assert add_trace_id(None, "info", {"trace_id": "its own"}) == {"trace_id": "its own"}
    current_request.reset(token)


def test_what_kafkas_client_says_again_and_again_is_said_once_in_a_minute() -> None:
    passes = NowAndThen().filter

    def line(name: str, at_s: float, *args: object) -> logging.LogRecord:
        record = logging.LogRecord(name, logging.ERROR, "", 0, "Unable to reach node %s", args, None)
        record.created = at_s
        return record

    said = [passes(line("aiokafka.client", at_s, at_s)) for at_s in (100.0, 101.0, 159.9, 160.0, 161.0, 50.0)]
    assert said == [True, False, False, True, False, True]
    assert passes(line("aiokafka.conn", 51.0)) is True
    assert [passes(line("asyncio", at_s)) for at_s in (50.0, 50.0)] == [True, True]
