"""Every case of both SDKs compared: the checklist, what we write and what the SDK writes.

The Python SDK answers live, the JavaScript SDK from its recording. Knows no explanations.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, NamedTuple, TypeAlias

from tests.interop import javascript_sdk, python_sdk
from tests.interop.differences import DIRECTIONS
from tests.interop.examples import EXAMPLES, written_by_us
from tests.interop.messages import ROW_MESSAGES, Message, read_by_us
from tests.interop.readings import Differs, Reading, Refused, difference

Read: TypeAlias = Callable[[str, Message], Reading | Refused]
Write: TypeAlias = Callable[[str, str], Message | Refused]


@dataclass(frozen=True)
class Sdk:
    """`read` takes a case and its message, `write` an example's name and a mode."""

    title: str
    read: Read
    write: Write

    def compared(self) -> dict[str, Differs | None]:
        found = {f"row: {name}": difference(self.row(name), read_by_us(ROW_MESSAGES[name])) for name in ROW_MESSAGES}
        for case, message in written_by_us().items():
            meant = EXAMPLES[case.rpartition(", ")[0]].event
            found[f"ours: {case}"] = difference(self.read(f"ours: {case}", message), meant)
        for name in EXAMPLES:
            for mode in javascript_sdk.MODES:
                found[f"theirs: {name}, {mode}"] = self._written(name, mode)
        return found

    def row(self, name: str) -> Reading | Refused:
        return self.read(f"row: {name}", ROW_MESSAGES[name])

    def _written(self, name: str, mode: str) -> Differs | None:
        message = self.write(name, mode)
        if isinstance(message, Refused):
            return Differs.THEY_REFUSE
        return difference(EXAMPLES[name].meant, read_by_us(message))


def python() -> Sdk:
    written = {name: python_sdk.write(example) for name, example in EXAMPLES.items()}
    return Sdk(
        f"Python SDK {version('cloudevents')}",
        lambda case, message: python_sdk.read(message),
        lambda name, mode: written[name][mode],
    )


def javascript() -> Sdk:
    recording = javascript_sdk.recorded()
    answers = {name: exchange["answered"] for name, exchange in recording["exchanges"].items()}
    return Sdk(
        f"JavaScript SDK {recording['made_with']['cloudevents']}",
        lambda case, message: javascript_sdk.read(answers[case]),
        lambda name, mode: javascript_sdk.written(answers[f"theirs: {name}, {mode}"]),
    )


class Count(NamedTuple):
    cases: int
    equal: int
    explained: int
    unexplained: int


def counts(compared: Mapping[str, Differs | None], explained: Mapping[str, Differs]) -> dict[str, Count]:
    """By direction."""
    found = {}
    for direction in DIRECTIONS:
        cases = {name: differs for name, differs in compared.items() if name.startswith(f"{direction}: ")}
        differing = {name: differs for name, differs in cases.items() if differs is not None}
        known = sum(explained.get(name) is differs for name, differs in differing.items())
        found[direction] = Count(len(cases), len(cases) - len(differing), known, len(differing) - known)
    return found


SDKS: Final = {"Python": python, "JavaScript": javascript}
