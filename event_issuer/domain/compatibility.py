"""Whether one version of a schema may follow another: modes, verdicts, and what is wrong with a document to show it.

COMPATIBLE is proved, INCOMPATIBLE is shown by a witness, and what is neither is UNDECIDED. Knows two versions at a
time, and neither event types nor a clock. To compare strangers' schemas belongs in a process that can be killed
(event_issuer.contracts.comparing).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from event_issuer.domain.compatibility_forms import text_of
from event_issuer.domain.compatibility_pairs import pair_of
from event_issuer.domain.compatibility_proofs import Prover
from event_issuer.domain.contracts import check_definition
from event_issuer.domain.dialects import DEFAULT_DIALECT, Dialect, dialect_named
from event_issuer.domain.errors import SchemaInvalid
from event_issuer.domain.witnesses import WITNESS_CHARS_MAX, Judge, Witness, is_witnessed, witnesses

UNDECIDED_RULE: Final = "undecided"

_Version = TypeVar("_Version")


class CompatibilityMode(Enum):
    """What a next version must keep. With `_TRANSITIVE` it is held against all earlier versions, else the latest."""

    NONE = "NONE"
    FORWARD = "FORWARD"
    BACKWARD = "BACKWARD"
    FULL = "FULL"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def backward(self) -> bool:
        """Every document of the old version must be one of the new: new readers take old events."""
        return self.name.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        """Every document of the new version must be one of the old: old readers take new events."""
        return self.name.startswith(("FORWARD", "FULL"))

    def held_against(self, versions: Sequence[_Version]) -> Sequence[_Version]:
        """Of all versions so far, in order, those that a next one is compared with."""
        if self is CompatibilityMode.NONE:
            return ()
        return versions if self.name.endswith("_TRANSITIVE") else versions[-1:]


DEFAULT_MODE: Final = CompatibilityMode.FORWARD


class CompatibilityVerdict(Enum):
    COMPATIBLE = "COMPATIBLE"
    INCOMPATIBLE = "INCOMPATIBLE"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, slots=True)
class CompatibilityProblem:
    """`path` is a JSON Pointer into the version that refuses `witness`, `rule` the keyword there.

    Without a witness (`witnessed` is false, `witness` None) nothing was decided, or the witness is too long to be
    shown; the message says which. The witness of a problem may itself be None: JSON's null.
    """

    path: str
    rule: str
    message: str
    witnessed: bool = False
    witness: object = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Problems there are only with a verdict other than COMPATIBLE, and then at least one."""

    verdict: CompatibilityVerdict
    problems: tuple[CompatibilityProblem, ...] = ()


COMPATIBLE: Final = Comparison(CompatibilityVerdict.COMPATIBLE)


def undecided(reason: str) -> Comparison:
    problem = CompatibilityProblem("", UNDECIDED_RULE, reason)
    return Comparison(CompatibilityVerdict.UNDECIDED, (problem,))


def joined(comparisons: Sequence[Comparison]) -> Comparison:
    """The comparisons as one: INCOMPATIBLE before UNDECIDED before COMPATIBLE."""
    verdicts = {comparison.verdict for comparison in comparisons}
    for verdict in (CompatibilityVerdict.INCOMPATIBLE, CompatibilityVerdict.UNDECIDED):
        if verdict in verdicts:
            return Comparison(verdict, tuple(found for each in comparisons for found in each.problems))
    return COMPATIBLE


def compare(old: dict[str, object], new: dict[str, object], mode: CompatibilityMode) -> Comparison:
    """Whether `new` may follow `old`. A schema that cannot serve as a contract leaves it undecided."""
    try:
        check_definition(old)
        check_definition(new)
    except SchemaInvalid as refusal:
        return undecided(f"One of the versions cannot serve as a contract: {refusal.detail}")
    sides = _Sides(old, new)
    found = []
    if mode.backward:
        found.append(sides.backward())
    if mode.forward:
        found.append(sides.forward())
    return joined(found)


class _Sides:
    """Two versions, ready to be compared in both directions."""

    def __init__(self, old: dict[str, object], new: dict[str, object]) -> None:
        self._pair = pair_of((old, _dialect_of(old)), (new, _dialect_of(new)))
        self._old, self._new = Judge(old, _dialect_of(old)), Judge(new, _dialect_of(new))

    def backward(self) -> Comparison:
        return self._compare("old", "new")

    def forward(self) -> Comparison:
        return self._compare("new", "old")

    def _compare(self, taking: str, refusing: str) -> Comparison:
        """Whether each document of `taking` is one of `refusing`."""
        forms = {"old": self._pair.old, "new": self._pair.new}
        judges = {"old": self._old, "new": self._new}
        covered, covering = forms[taking], forms[refusing]
        search = (self._pair, covered, covering, judges[taking], judges[refusing])
        if text_of(covered) == text_of(covering):
            return COMPATIBLE
        if Prover(self._pair).within(covered, covering) and not is_witnessed(*search):
            return COMPATIBLE
        found = witnesses(*search)
        if found:
            return Comparison(
                CompatibilityVerdict.INCOMPATIBLE, tuple(_problem(witness, taking, refusing) for witness in found)
            )
        return undecided(
            f"It is not decided whether each document of the {taking} version is one of the {refusing} version: "
            "neither a proof nor a document to the contrary was found"
        )


def _problem(witness: Witness, taking: str, refusing: str) -> CompatibilityProblem:
    message = f"The {taking} version takes a document that the {refusing} version refuses: {witness.message}"
    if len(text_of(witness.document)) > WITNESS_CHARS_MAX:
        return CompatibilityProblem(witness.path, witness.rule, f"{message} (the document is too long to be shown)")
    return CompatibilityProblem(witness.path, witness.rule, message, witnessed=True, witness=witness.document)


def _dialect_of(definition: dict[str, object]) -> Dialect:
    dialect = dialect_named(definition.get("$schema", DEFAULT_DIALECT.uri))
    assert dialect is not None  # `check_definition` has seen to it
    return dialect
