"""Trace Context: what is continued, and what is as if it were not there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.domain.trace_context import STATE_LENGTH_MAX, TraceContext, read_trace

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE_ID}-{PARENT_ID}-01"


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (GOOD, 1),
        (f"00-{TRACE_ID}-{PARENT_ID}-00", 0),
        (f"00-{TRACE_ID}-{PARENT_ID}-03", 3),
        (f"00-{TRACE_ID}-{PARENT_ID}-ff", 3),  # flags that nobody knows yet go on as 0
        (f"01-{TRACE_ID}-{PARENT_ID}-01", 1),  # a later version is read as far as it is known
        (f"01-{TRACE_ID}-{PARENT_ID}-01-more", 1),
        (f"cc-{TRACE_ID}-{PARENT_ID}-01-", 1),
    ],
)
def test_a_trace_is_continued(text: str, flags: int) -> None:
    assert read_trace(text) == TraceContext(TRACE_ID, PARENT_ID, flags)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "garbage",
        GOOD.upper(),
        GOOD + " ",
        GOOD + "-more",  # version 00 has no more
        GOOD[:-1],
        GOOD + "0",
        f"ff-{TRACE_ID}-{PARENT_ID}-01",
        f"0-{TRACE_ID}-{PARENT_ID}-01",
        f"00-{'0' * 32}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID[:-1]}g-{PARENT_ID}-01",
        f"00_{TRACE_ID}_{PARENT_ID}_01",
        f"01-{TRACE_ID}-{PARENT_ID}-01.more",
        f"00-{TRACE_ID}-{PARENT_ID}-01\n",
        f"00-{TRACE_ID}-{PARENT_ID}-\u0660\u0661",
    ],
)
def test_what_is_not_well_formed_is_ignored(text: str | None) -> None:
    assert read_trace(text, "a=1") is None


@pytest.mark.parametrize(
    "state",
    [
        "congo=t61rcWkgMzE",
        "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE",
        "fw529a3039@dt=FfffffeC", "1tenant@a=1",
        "a=1,,b=2",
        "a=" + "x" * 256,
        "a*/_-b=1",
        ",".join(f"k{n}=1" for n in range(32)),
    ],
)  # fmt: skip
def test_a_state_goes_on_as_it_is(state: str) -> None:
    assert read_trace(GOOD, state) == TraceContext(TRACE_ID, PARENT_ID, 1, state)


@pytest.mark.parametrize(
    "state",
    [
        "",
        ",",
        "a",
        "A=1",
        "a=",
        "a=1=2",
        "a=1,a=2",
        "a=ä",
        "a=1\r\nx-forged: 1",
        "a=" + "x" * 257,
        "@a=1",
        ",".join(f"k{n}=1" for n in range(33)),
        ",".join(f"k{n}={'x' * 200}" for n in range(20)),
    ],
)
def test_a_state_that_is_none_is_left_out(state: str) -> None:
    assert read_trace(GOOD, state) == TraceContext(TRACE_ID, PARENT_ID, 1)


@given(st.text(), st.text(max_size=STATE_LENGTH_MAX + 1))
def test_no_text_raises(parent: str, state: str) -> None:
    read_trace(parent, state)
    known = read_trace(GOOD, state)
    assert known is not None
    assert known.state in ("", state)
    assert known.state.isascii()
