"""The demo's traffic: three event types and half an hour of events on one railway line, read from package files.

`events.jsonl` holds one CloudEvent a line, as a producer would send them, some of them faulty. `outcomes.json` says
what becomes of each line that is not simply accepted. Knows nothing of the API.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final, TypeAlias

JsonObject: TypeAlias = dict[str, object]

_DATA: Final = files("event_issuer.demo") / "data"
_SCHEMA_SUFFIX: Final = ".schema.json"


@dataclass(frozen=True, slots=True)
class EventTypeFile:
    name: str
    schema: JsonObject

    @property
    def description(self) -> str:
        return str(self.schema["description"])

    @property
    def example(self) -> object:
        examples = self.schema["examples"]
        return examples[0] if isinstance(examples, list) else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event, or should: `broken` holds (path, rule) of each violation, sorted."""

    status: str
    code: str | None = None
    broken: tuple[tuple[str, str], ...] = ()


ACCEPTED: Final = Outcome("PERSISTED")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file; lines count from 1."""

    line: int
    event: Mapping[str, object] = field(repr=False)
    expected: Outcome

    def attribute(self, name: str) -> str:
        """The attribute's text; empty when it is absent."""
        return str(self.event.get(name, ""))


def event_types() -> list[EventTypeFile]:
    """In order of their names."""
    schemas = sorted(
        (file for file in _DATA.iterdir() if file.name.endswith(_SCHEMA_SUFFIX)), key=lambda file: file.name
    )
    return [
        EventTypeFile(file.name.removesuffix(_SCHEMA_SUFFIX), json.loads(file.read_text("utf-8"))) for file in schemas
    ]


def entries() -> list[Entry]:
    """In the order of the file, which is the order in which they are sent."""
    outcomes = json.loads((_DATA / "outcomes.json").read_text("utf-8"))
    expected = {outcome["line"]: _outcome(outcome) for outcome in outcomes}
    lines = (_DATA / "events.jsonl").read_text("utf-8").splitlines()
    return [Entry(n, json.loads(line), expected.get(n, ACCEPTED)) for n, line in enumerate(lines, 1)]


def _outcome(value: Mapping[str, object]) -> Outcome:
    violations = value["violations"]
    broken = sorted((str(one["path"]), str(one["rule"])) for one in violations) if isinstance(violations, list) else []
    code = value["code"]
    return Outcome(str(value["status"]), None if code is None else str(code), tuple(broken))
