"""Whether a schema may follow the versions of an event type, as its mode asks; and whether it is the latest already.

Knows neither where the earlier versions are kept nor what becomes of the answer.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from jsonschema_rs.canonical.json import to_string as canonical_text

from event_issuer.domain.compatibility import (
    Comparison,
    CompatibilityMode,
    CompatibilityProblem,
    CompatibilityVerdict,
)
from event_issuer.domain.errors import SchemaIncompatible, SchemaProblem

PROBLEMS_MAX: Final = 100  # in one report: enough to work from

DefinitionOf: TypeAlias = Callable[[int], Awaitable[object]]
"""The schema of an earlier version, by its number."""


class Comparer(Protocol):
    async def compare(self, old: object, new: object, mode: CompatibilityMode) -> Comparison:
        """Whether `new` may follow `old`. Raises LimitExceeded, Unavailable."""


@dataclass(frozen=True, slots=True)
class CompatibilityReport:
    """There are problems with a verdict other than COMPATIBLE only, and then at least one."""

    verdict: CompatibilityVerdict
    mode: CompatibilityMode
    problems: tuple[SchemaProblem, ...] = ()


async def compared(
    comparer: Comparer, mode: CompatibilityMode, latest: int, definition_of: DefinitionOf, definition: object
) -> CompatibilityReport:
    """With the versions up to `latest` that the mode asks for, the newest first, until one leaves it undecided."""
    verdict, problems = CompatibilityVerdict.COMPATIBLE, list[SchemaProblem]()
    for version in reversed(mode.held_against(range(1, latest + 1))):
        found = await comparer.compare(await definition_of(version), definition, mode)
        problems += [_against(version, problem) for problem in found.problems]
        its_verdict = found.verdict
        if its_verdict is not CompatibilityVerdict.COMPATIBLE and verdict is not CompatibilityVerdict.INCOMPATIBLE:
            verdict = its_verdict
        if its_verdict is CompatibilityVerdict.UNDECIDED or len(problems) >= PROBLEMS_MAX:
            break
    return CompatibilityReport(verdict, mode, tuple(problems[:PROBLEMS_MAX]))


def is_same(one: object, other: object) -> bool:
    """Whether both are the same JSON value: the order of members and the spelling of numbers say nothing."""
    return canonical_text(one) == canonical_text(other)


def refuse_incompatible(report: CompatibilityReport) -> None:
    """Raises SchemaIncompatible for any verdict but COMPATIBLE."""
    if report.verdict is CompatibilityVerdict.COMPATIBLE:
        return
    first = report.problems[0]
    more = f" (and {len(report.problems) - 1} more)" if len(report.problems) > 1 else ""
    raise SchemaIncompatible(
        f"The schema may not follow version {first.against_version} in the mode {report.mode.value}: "
        f"{first.message}{more}",
        problems=report.problems,
    )


def _against(version: int, found: CompatibilityProblem) -> SchemaProblem:
    return SchemaProblem(found.path, found.rule, found.message, version, found.witnessed, found.witness)
