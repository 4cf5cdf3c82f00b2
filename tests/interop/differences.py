"""The form of an explained difference between our codec and an SDK, and of the tables that hold them.

A case is named by who wrote the message and which it is: `row: …` of the codec's checklist, `ours: …` an example that
we wrote and the SDK reads, `theirs: …` one that the SDK wrote and we read. Knows no SDK.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.interop.readings import Differs

DIRECTIONS: Final[Mapping[str, str]] = {
    "row": "the codec's checklist, read by both",
    "ours": "written by us, read by the SDK",
    "theirs": "written by the SDK, read by us",
}


@dataclass(frozen=True)
class Difference:
    """What the SDK `does`, what we do (`ours`), the sentence of the specification that `decides`, and the `advice` to
    who uses the SDK with us; with the cases that show it."""

    does: str
    ours: str
    decides: str
    advice: str
    cases: Mapping[Differs, Sequence[str]]

    @property
    def sentence(self) -> str:
        return f"The SDK {self.does}; we {self.ours}: {self.decides}."


def both_modes(*names: str) -> list[str]:
    return [f"{name}, {mode}" for name in names for mode in ("binary", "structured")]


def in_mode(mode: str, *names: str) -> list[str]:
    return [f"{name}, {mode}" for name in names]


def rows(section: str, *says: str) -> list[str]:
    return [f"row: {section}: {text}" for text in says]


def explained(differences: Sequence[Difference]) -> dict[str, Differs]:
    """Every case once, with how it differs."""
    cases = [(name, differs) for entry in differences for differs, names in entry.cases.items() for name in names]
    found = dict(cases)
    assert len(found) == len(cases), "a case is explained twice"
    return found


KNOWN_OURS: Final[Mapping[str, Mapping[str, Differs]]] = {"Python": {}, "JavaScript": {}}
"""By SDK: cases in which the SDK is right and we are wrong, until that is mended."""
