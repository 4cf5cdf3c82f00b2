"""Comparisons on their way to the process that makes them, and back: one line of JSON each.

Knows how they are spelled, neither how they are made nor who waits for them.
"""

import json
from typing import Any

from event_issuer.domain.compatibility import (
    Comparison,
    CompatibilityMode,
    CompatibilityProblem,
    CompatibilityVerdict,
    compare,
)
from event_issuer.domain.contracts import encode_definition


def question(old: object, new: object, mode: CompatibilityMode) -> bytes:
    """The request. Raises `SchemaInvalid` for what is no schema or too large to be one."""
    return b'{"old": %b, "new": %b, "mode": "%b"}\n' % (
        encode_definition(old),
        encode_definition(new),
        mode.value.encode(),
    )


def is_question(request: dict[str, Any]) -> bool:
    return "mode" in request


def answer(request: dict[str, Any]) -> dict[str, object]:
    """Makes the comparison that was asked for."""
    made = compare(request["old"], request["new"], CompatibilityMode(request["mode"]))
    problems = [[each.path, each.rule, each.message, each.witnessed, each.witness] for each in made.problems]
    return {"verdict": made.verdict.value, "problems": problems}


def comparison(line: bytes) -> Comparison:
    """What the answer says."""
    told = json.loads(line)
    problems = tuple(CompatibilityProblem(*each) for each in told["problems"])
    return Comparison(CompatibilityVerdict(told["verdict"]), problems)
