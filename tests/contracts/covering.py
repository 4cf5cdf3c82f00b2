"""A comparer of schemas that is small and runs in this process: containment by jsonschema-rs, witnesses by trying."""

from collections.abc import Sequence

import jsonschema_rs

from event_issuer.contracts.comparer import Compared, Verdict
from event_issuer.domain.errors import SchemaProblem

# Documents about trains, some of which each schema of the tests takes and others refuse.
DOCUMENTS: Sequence[object] = (
    {},
    {"train": "1"},
    {"train": "north"},
    {"train": "1", "delay": 1},
    {"train": "1", "platform": 1},
    [],
)


class Covering:
    """Counts its comparisons."""

    def __init__(self, documents: Sequence[object] = DOCUMENTS) -> None:
        self._documents = documents
        self.count = 0

    async def compare(self, old: dict[str, object], new: dict[str, object], mode: str) -> Compared:
        self.count += 1
        pairs = []
        if mode.startswith(("FORWARD", "FULL")):
            pairs.append((new, old, "old"))
        if mode.startswith(("BACKWARD", "FULL")):
            pairs.append((old, new, "new"))
        problems = [problem for pair in pairs for problem in self._problems(*pair)]
        if problems:
            return Compared(Verdict.INCOMPATIBLE, tuple(problems))
        if all(_covers(refusing, taking) for taking, refusing, _ in pairs):
            return Compared(Verdict.COMPATIBLE)
        return Compared(Verdict.UNDECIDED, (SchemaProblem("", "undecided", "It is not known.", 0),))

    def _problems(self, taking: dict[str, object], refusing: dict[str, object], name: str) -> list[SchemaProblem]:
        taken = [document for document in self._documents if jsonschema_rs.is_valid(taking, document)]
        return [
            SchemaProblem("", error.kind.name, f"The {name} version refuses it.", 0, witnessed=True, witness=document)
            for document in taken
            for error in list(jsonschema_rs.iter_errors(refusing, document))[:1]
        ]


def _covers(one: dict[str, object], other: dict[str, object]) -> bool:
    containment = jsonschema_rs.canonicalize(one).covers(jsonschema_rs.canonicalize(other))
    return containment is jsonschema_rs.canonical.Containment.YES
