"""Searching texts: every word, in any case, however its letters were typed."""

import unicodedata

import pytest

from event_issuer.domain.errors import BadInput
from event_issuer.domain.text_search import NO_WORDS, TEXT_LENGTH_MAX, WORDS_MAX, Words, storable

TEXTS = ("acme.train-arrived.v1", "Et tog er kommet til Åndalsnes; SPOR 3 på Ørlandet.")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "train",
        "TRAIN Spor",
        "rriv",
        "åndalsnes ørlandet",
        "ÅNDALSNES",
        unicodedata.normalize("NFD", "åndalsnes"),
        "spor\t3\nspor",
    ],
)
def test_every_word_occurs(text: str) -> None:
    assert Words.parse(text).occur_in(*TEXTS)


@pytest.mark.parametrize("text", ["bus", "train bus", "andalsnes", "tog train-departed", "3 4", "1v"])
def test_a_word_is_missing(text: str) -> None:
    assert not Words.parse(text).occur_in(*TEXTS)


def test_a_text_in_decomposed_form_is_found() -> None:
    assert Words.parse("Ålesund").occur_in(unicodedata.normalize("NFD", "til ålesund"))


def test_a_word_does_not_reach_from_one_text_into_the_next() -> None:
    assert not Words.parse("v1et").occur_in(*TEXTS)


def test_words_are_folded_and_come_once() -> None:
    found = Words.parse("Tog TOG på Øya")
    assert found == Words(("tog", "på", "øya"))
    assert found.plain == ("tog",)
    assert (bool(found), bool(NO_WORDS), Words.parse(" ")) == (True, False, NO_WORDS)


def test_a_search_is_bounded() -> None:
    assert Words.parse("å" * TEXT_LENGTH_MAX).words == ("å" * TEXT_LENGTH_MAX,)
    assert len(Words.parse(" ".join(map(str, range(WORDS_MAX)))).words) == WORDS_MAX
    with pytest.raises(BadInput, match="at most 200 characters, not 201"):
        Words.parse("a" * (TEXT_LENGTH_MAX + 1))
    with pytest.raises(BadInput, match="at most 10 words, not 11"):
        Words.parse(" ".join(map(str, range(WORDS_MAX + 1))))


@pytest.mark.parametrize("text", ["a\0b", "a\x07", "\ud800"])
def test_what_no_store_takes_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="no control characters"):
        Words.parse(text)
    with pytest.raises(BadInput, match="no control characters"):
        storable(text)
    assert storable("acme.tog på øya") == "acme.tog på øya"
