"""Pages and cursors: what is asked for is checked, and the answer says whether there is more."""

import pytest

from event_issuer.domain.errors import BadInput
from event_issuer.domain.paging import PageRequest, decode_cursor, encode_cursor, id_of, page_request, sliced


def test_a_page_is_fifty_unless_said() -> None:
    assert page_request(None, None, None, None) == PageRequest(50, None, None, False)
    assert page_request(3, encode_cursor("a"), None, None) == PageRequest(3, "a", None, False)
    assert page_request(None, None, 4, encode_cursor("b")) == PageRequest(4, None, "b", True)
    assert page_request(0, None, None, None).limit == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, None, 1, None), "Give first or last, not both."),
        ((-1, None, None, None), "A page has 0 to 1000 items, not -1."),
        ((None, None, 1001, None), "A page has 0 to 1000 items, not 1001."),
        ((None, "", None, None), "'' is no cursor of this list; take one from an earlier page."),
        ((None, "YQ==", None, None), "'YQ==' is no cursor of this list; take one from an earlier page."),
        ((None, None, None, "!"), "'!' is no cursor of this list; take one from an earlier page."),
    ],
)
def test_a_bad_page_is_refused(arguments: tuple[int | None, str | None, int | None, str | None], message: str) -> None:
    with pytest.raises(BadInput) as refused:
        page_request(*arguments)
    assert refused.value.detail == message


def test_cursors_are_opaque_and_come_back() -> None:
    for key in ("1", "a.b.c", "æøå", "x" * 200):
        assert decode_cursor(encode_cursor(key)) == key
        assert "=" not in encode_cursor(key)


def test_ids_are_bounded() -> None:
    assert (id_of(None), id_of("17"), id_of("9" * 18)) == (None, 17, 10**18 - 1)
    for key in ("a", "-1", "1.5", "9" * 19, "٣"):
        with pytest.raises(BadInput, match="The cursor is of another list"):
            id_of(key)


def test_a_slice_says_whether_there_is_more() -> None:
    forwards = sliced([1, 2, 3], PageRequest(2))
    assert (forwards.items, forwards.has_next, forwards.has_previous) == ([1, 2], True, False)
    last = sliced([3], PageRequest(2, after="2"))
    assert (last.items, last.has_next, last.has_previous) == ([3], False, True)
    backwards = sliced([9, 8, 7], PageRequest(2, before="10", backwards=True))
    assert (backwards.items, backwards.has_next, backwards.has_previous) == ([8, 9], True, True)
    assert sliced([1], PageRequest(0)).items == []
