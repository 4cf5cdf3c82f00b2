"""A schema registry that speaks Confluent's REST API v1: subjects, their versions, and registering a version.

Through the control client, so its address is vetted at each request. Schemas stay text: numbers of any size are what
they were. Knows nothing of event types, nor of what may follow a version: the registry keeps its own rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import quote

import orjson

from event_issuer.domain.credentials import Credentials
from event_issuer.domain.errors import (
    BadInput,
    IssuerError,
    LimitExceeded,
    NotFound,
    OutcomeUnknown,
    SchemaIncompatible,
    SchemaInvalid,
    Unavailable,
)
from event_issuer.domain.violations import shortened
from event_issuer.egress.control import ControlClient, ControlResponse
from event_issuer.egress.messages import Failure, FailureKind

TIMEOUT_S: Final = 10.0  # a registry that forwards a write to its primary takes a second or two
BODY_BYTES_MAX: Final = 8 * 1024 * 1024  # a list of some 100,000 subjects, or a schema with all that quoting adds
SUBJECT_LENGTH_MAX: Final = 255  # as long as a topic's name with its suffix may be; it becomes part of a URL
AVRO: Final = "AVRO"  # what a schema is that does not say
JSON_SCHEMA: Final = "JSON"
NO_CREDENTIALS: Final = Credentials()
LATEST: Final = "latest"
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
# Which refusal an answer is. What is not here is the registry's own trouble, or its network's.
_REFUSALS: Final[Mapping[int, type[IssuerError]]] = {
    400: BadInput,
    401: BadInput,
    403: BadInput,
    404: NotFound,
    405: BadInput,
    409: SchemaIncompatible,
    422: SchemaInvalid,
    429: LimitExceeded,
}
_REFUSES_CREDENTIALS: Final = (401, 403)
_MAY_HAVE_ARRIVED: Final = (FailureKind.TIMEOUT, FailureKind.RESET, FailureKind.PROTOCOL)


@dataclass(frozen=True, slots=True)
class Reference:
    """Another schema that a schema refers to as `name`."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """`id` is what Confluent's wire format has in front of a record. `type` is AVRO, JSON or PROTOBUF."""

    subject: str
    version: int
    id: int
    type: str
    definition: str
    references: tuple[Reference, ...] = ()


class SchemaRegistry:
    """`url` is the registry's address, with a path before `/subjects` if it has one.

    Each call raises Unavailable where the registry gives no answer that can be read, BadInput where its address may not
    be contacted or it refuses the credentials, and LimitExceeded where it asks for fewer requests.
    """

    def __init__(self, control: ControlClient, url: str, credentials: Credentials = NO_CREDENTIALS) -> None:
        self._control, self._url = control, url.rstrip("/")
        self._headers = {"accept": f"{_MEDIA_TYPE}, application/json;q=0.5"}
        self._headers |= credentials.headers()

    async def subjects(self) -> list[str]:
        """All of them, as the registry orders them."""
        found = await self._ask("GET", "/subjects")
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise _unreadable("a list of subjects")
        return found

    async def versions(self, subject: str) -> list[int]:
        """The numbers of a subject's versions, the oldest first. Raises NotFound."""
        found = await self._ask("GET", f"/subjects/{_segment(subject)}/versions")
        if not isinstance(found, list) or not all(type(number) is int for number in found):
            raise _unreadable("a list of versions")
        return sorted(found)

    async def schema(self, subject: str, version: int | None = None) -> RegisteredSchema:
        """One version; without a number the latest. Raises NotFound."""
        asked = LATEST if version is None else str(version)
        found = await self._ask("GET", f"/subjects/{_segment(subject)}/versions/{asked}")
        try:
            return _schema(found)
        except (KeyError, TypeError, ValueError):
            raise _unreadable("a schema") from None

    async def compatibility(self, subject: str) -> str:
        """What a next version of the subject has to keep, such as BACKWARD. Raises NotFound."""
        found = await self._ask("GET", f"/config/{_segment(subject)}?defaultToGlobal=true")
        level = found.get("compatibilityLevel") if isinstance(found, dict) else None
        if not isinstance(level, str):
            raise _unreadable("a level of compatibility")
        return level

    async def register(self, subject: str, definition: str) -> int:
        """Registers a JSON Schema as the subject's next version, unless it has this one already; the schema's id.

        Raises SchemaIncompatible where it may not follow the earlier ones, SchemaInvalid where the registry takes it
        for none, and OutcomeUnknown where the answer is lost: it may have been registered. Asking again is safe.
        """
        asked = orjson.dumps({"schemaType": JSON_SCHEMA, "schema": definition})
        found = await self._ask("POST", f"/subjects/{_segment(subject)}/versions", asked)
        if not isinstance(found, dict) or type(found.get("id")) is not int:
            raise _unreadable("the id of a schema")
        return int(found["id"])

    async def _ask(self, method: str, path: str, content: bytes = b"") -> object:
        headers = {**self._headers, "content-type": _MEDIA_TYPE} if content else self._headers
        answer = await self._control.request(
            method,
            self._url + path,
            headers=headers,
            content=content,
            timeout_s=TIMEOUT_S,
            body_bytes_max=BODY_BYTES_MAX,
        )
        if isinstance(answer, Failure):
            _refuse_failure(method, answer)
        if answer.status != 200:
            _refuse_answer(answer)
        return _parsed(answer.body)


def _segment(subject: str) -> str:
    """A subject as one segment of a path. Dots alone would name another path."""
    if not 0 < len(subject) <= SUBJECT_LENGTH_MAX or not subject.isprintable() or subject in (".", ".."):
        raise BadInput(f"A subject has 1 to {SUBJECT_LENGTH_MAX} printable characters, unlike {subject!r:.80}.")
    return quote(subject, safe="")


def _refuse_failure(method: str, failure: Failure) -> NoReturn:
    message = f"The schema registry did not answer: {failure.message}."
    if failure.kind is FailureKind.FORBIDDEN_ADDRESS:
        raise BadInput(f"The schema registry cannot be asked: {failure.message}.")
    if method == "POST" and failure.kind in _MAY_HAVE_ARRIVED:
        raise OutcomeUnknown(message)
    raise Unavailable(message)


def _refuse_answer(answer: ControlResponse) -> NoReturn:
    refusal = _REFUSALS.get(answer.status, Unavailable)
    told = f"The schema registry answered {answer.status}{_told_by(answer.body)}"
    if answer.status in _REFUSES_CREDENTIALS:
        told += " Its credentials are wrong, or allow too little."
    raise refusal(told)


def _told_by(body: bytes) -> str:
    """What the registry says of an error, as far as it says anything that can be read."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "."
    message = found.get("message") if isinstance(found, dict) else None
    if not isinstance(message, str) or not message:
        return "."
    return f": {shortened(message).rstrip('.')}."


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _unreadable("JSON") from None


def _unreadable(wanted: str) -> Unavailable:
    return Unavailable(f"The schema registry answered something else than {wanted}; is this the address of one?")


def _schema(found: object) -> RegisteredSchema:
    """Raises KeyError, TypeError or ValueError for what is none."""
    if not isinstance(found, dict) or not isinstance(found["schema"], str):
        raise TypeError
    references = [Reference(str(one["name"]), str(one["subject"]), int(str(one["version"]))) for one in _listed(found)]
    return RegisteredSchema(
        subject=str(found["subject"]),
        version=int(found["version"]),
        id=int(found["id"]),
        type=str(found.get("schemaType") or AVRO),
        definition=found["schema"],
        references=tuple(references),
    )


def _listed(found: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    references = found.get("references") or ()
    if not isinstance(references, list | tuple):
        raise TypeError
    return references
