"""The JavaScript SDK as it was recorded: what it was asked, and what it answered (`answer.mjs` says in which words).

Tests need no Node for it. Knows what we would ask today, so that a test can tell a recording that is out of date.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, TypedDict

from tests.interop.examples import EXAMPLES, Example, written_by_us
from tests.interop.messages import ROW_MESSAGES, Message
from tests.interop.readings import Data, Json, Reading, Refused, canonical, data_of

FOLDER: Final = Path(__file__).parent / "javascript"
RECORDED: Final = FOLDER / "recorded.json"
MODES: Final = ("binary", "structured")
INVENTED: Final = "(invented)"

JsonObject: TypeAlias = dict[str, Any]


class Recording(TypedDict):
    """`made_with` are versions by name; each exchange has what was `asked` and what was `answered`."""

    made_with: dict[str, str]
    exchanges: dict[str, dict[str, JsonObject]]


def questions() -> dict[str, JsonObject]:
    """By name: `row: …` and `ours: …` are messages to read, `theirs: …` events to write."""
    messages = _named("row", ROW_MESSAGES) | _named("ours", written_by_us())
    asked: dict[str, JsonObject] = {name: {"read": message.json()} for name, message in messages.items()}
    for name, example in EXAMPLES.items():
        for mode in MODES:
            asked[f"theirs: {name}, {mode}"] = {"write": _event(example), "mode": mode}
    return asked


def _named(kind: str, messages: Mapping[str, Message]) -> dict[str, Message]:
    return {f"{kind}: {name}": message for name, message in messages.items()}


def _event(example: Example) -> JsonObject:
    members: JsonObject = {"attributes": dict(example.attributes)}
    match example.data:
        case None:
            return members
        case bytes():
            return members | {"data": {"base64": base64.b64encode(example.data).decode()}}
        case Json(value):
            return members | {"data": {"json": value}}
        case text:
            return members | {"data": {"text": text}}


def recorded() -> Recording:
    recording: Recording = json.loads(RECORDED.read_text("utf-8"))
    return recording


def read(answer: JsonObject) -> Reading | Refused:
    if "refused" in answer:
        return _refused(answer)
    attributes: JsonObject = answer["attributes"]
    invented = frozenset(name for name, value in attributes.items() if value == INVENTED)
    kept = canonical({name: value for name, value in attributes.items() if name not in invented})
    return Reading(kept, _data(answer.get("data"), kept.get("datacontenttype")), invented)


def _data(data: JsonObject | None, datacontenttype: str | None) -> Data:
    if data is None:
        return None
    if "base64" in data:
        return base64.b64decode(data["base64"])
    return data_of(data["text"], datacontenttype) if "text" in data else Json(data["json"])


def written(answer: JsonObject) -> Message | Refused:
    return _refused(answer) if "refused" in answer else Message.from_json(answer)


def _refused(answer: JsonObject) -> Refused:
    return Refused(f"{answer['by']}: {answer['refused']}")
