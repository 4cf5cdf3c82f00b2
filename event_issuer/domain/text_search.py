"""Words that all must occur in a text: one rule for both stores, which fold the case of letters differently.

Texts are compared in Unicode's composed form (NFC) and in lower case, so that `Å` finds `å`, however either was typed.
Knows no table.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

from event_issuer.domain.errors import BadInput

TEXT_LENGTH_MAX: Final = 200  # what people type into a search field
WORDS_MAX: Final = 10  # each is looked for in every text


@dataclass(frozen=True, slots=True)
class Words:
    """`words` are folded; none of them is empty, and without any every text matches."""

    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Words":
        """The words of `text`, which white space parts. Raises BadInput."""
        if len(text) > TEXT_LENGTH_MAX:
            raise BadInput(f"A search has at most {TEXT_LENGTH_MAX} characters, not {len(text)}.")
        words = tuple(dict.fromkeys(_folded(text).split()))
        if len(words) > WORDS_MAX:
            raise BadInput(f"A search has at most {WORDS_MAX} words, not {len(words)}.")
        return cls(tuple(storable(word) for word in words))

    def __bool__(self) -> bool:
        return bool(self.words)

    def occur_in(self, *texts: str) -> bool:
        """Whether each word occurs in one of the texts, also within a longer word."""
        if not self.words:
            return True
        folded = [_folded(text) for text in texts]
        return all(any(word in text for text in folded) for word in self.words)

    @property
    def plain(self) -> tuple[str, ...]:
        """The words of ASCII alone, which every store folds as we do."""
        return tuple(word for word in self.words if word.isascii())


NO_WORDS: Final = Words()


def storable(text: str) -> str:
    """`text` if it can be looked for: a store may take neither NUL nor half a character. Raises BadInput."""
    if any(unicodedata.category(character) in _NOT_TEXT for character in text):
        raise BadInput(f"A search has no control characters and no halves of characters, as {text[:80]!r} has.")
    return text


_NOT_TEXT: Final = ("Cc", "Cs")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()
