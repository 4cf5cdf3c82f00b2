"""What registering a schema asks of whoever compares two of them. Knows no way to do it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from event_issuer.domain.errors import SchemaProblem


class Verdict(StrEnum):
    COMPATIBLE = "COMPATIBLE"
    INCOMPATIBLE = "INCOMPATIBLE"
    UNDECIDED = "UNDECIDED"  # refused like INCOMPATIBLE


class FoundProblem(Protocol):
    """A problem as a comparison of two schemas finds it."""

    @property
    def path(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def witnessed(self) -> bool: ...
    @property
    def witness(self) -> object: ...


class Comparison(Protocol):
    @property
    def verdict(self) -> Enum:
        """Its value is that of a `Verdict`."""

    @property
    def problems(self) -> Sequence[FoundProblem]: ...


class Comparer(Protocol):
    async def compare(self, old: dict[str, object], new: dict[str, object], mode: str) -> Comparison: ...


@dataclass(frozen=True, slots=True)
class Compared:
    verdict: Verdict
    problems: tuple[SchemaProblem, ...] = ()


class Undecided:
    """Decides nothing, so that no schema is taken but in the mode NONE."""

    async def compare(self, old: dict[str, object], new: dict[str, object], mode: str) -> Compared:
        return Compared(Verdict.UNDECIDED, (SchemaProblem("", "undecided", "Schemas are not compared here.", 0),))
