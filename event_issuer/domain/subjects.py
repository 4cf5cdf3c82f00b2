"""Subjects of a schema registry and event types: which is which, and which version is which.

A subject names a topic and one side of its records (`orders-value`, TopicNameStrategy), or a kind of record
(RecordNameStrategy). Pure; knows no requests and no tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jsonschema_rs.canonical.json import to_string as canonical_text

from event_issuer.domain.bundling import REGISTRY_DIALECT
from event_issuer.domain.dialects import DEFAULT_DIALECT
from event_issuer.domain.errors import BadInput, Conflict

VALUE_SUFFIX: Final = "-value"
KEY_SUFFIX: Final = "-key"
TOPIC: Final = "{topic}"
SUBJECT: Final = "{subject}"
TEMPLATE_LENGTH_MAX: Final = 200
_DESCRIPTION_MAX: Final = 1000  # of a description: what a schema says of itself may be a book


def check_template(template: str) -> None:
    """Raises BadInput for one that gives every subject the same name."""
    if len(template) > TEMPLATE_LENGTH_MAX or (TOPIC not in template and SUBJECT not in template):
        raise BadInput(
            f"eventTypeName is a name with {TOPIC} or {SUBJECT} in it, at most {TEMPLATE_LENGTH_MAX} characters, such "
            f"as acme.{TOPIC}; not {template!r:.80}."
        )


def event_type_name(subject: str, template: str) -> str:
    """The name of a subject's event type. Raises BadInput for the schemas of keys."""
    if subject.endswith(KEY_SUFFIX):
        raise BadInput("It has the schemas of keys; a contract is about what events say.")
    topic = subject.removesuffix(VALUE_SUFFIX)
    return template.replace(SUBJECT, subject).replace(TOPIC, topic)


def subject_of(event_type: str) -> str:
    return event_type + VALUE_SUFFIX


def said_in_registry(definition: Mapping[str, object]) -> dict[str, object]:
    """One of our schemas as a registry is told: with its dialect, for where it is not said the registry has another."""
    return {"$schema": DEFAULT_DIALECT.uri, **definition}


def said_here(definition: Mapping[str, object]) -> dict[str, object]:
    """A registry's schema as we are told: likewise."""
    return {"$schema": REGISTRY_DIALECT, **definition}


def described(definition: Mapping[str, object], subject: str) -> str:
    """What people read of an event type that comes from a registry."""
    for keyword in ("description", "title"):
        text = definition.get(keyword)
        text = "".join(filter(_is_shown, text)).strip() if isinstance(text, str) else ""
        if text:
            return text if len(text) <= _DESCRIPTION_MAX else text[: _DESCRIPTION_MAX - 1] + "…"
    return f"The subject {subject} of a schema registry."


def _is_shown(character: str) -> bool:
    return character.isprintable() or character in "\n\t"  # PostgreSQL has no NUL in a text


def sense(definition: Mapping[str, object]) -> str:
    """Equal for schemas that are the same JSON value, whether they say their dialect or leave it to us."""
    return canonical_text(said_in_registry(definition))


@dataclass(frozen=True, slots=True)
class Theirs:
    """Version `number` of a subject. The registry calls its schema `schema_id`."""

    number: int
    schema_id: int
    definition: dict[str, object]


@dataclass(frozen=True, slots=True)
class Placing:
    """Which of our versions each of theirs is, in their order. Those of `fresh` are still to be added, in order."""

    versions: tuple[int, ...]
    fresh: tuple[dict[str, object], ...]


def place(theirs: Sequence[Theirs], ours: Mapping[int, Mapping[str, object]], at: int) -> Placing:
    """Finds a subject's versions among those of an event type, behind version `at`; the rest comes after its last.

    `ours` are our versions from `at` on. Raises Conflict where the two went different ways.
    """
    senses = {version: sense(definition) for version, definition in ours.items()}
    latest = max(senses, default=0)
    versions, fresh = list[int](), list[dict[str, object]]()
    for one in theirs:
        its = sense(one.definition)
        known = next((version for version in sorted(senses) if version >= at and senses[version] == its), None)
        if known is None and at < latest:
            raise Conflict(_parted(one.number, at))
        if known is None:
            known = latest = latest + 1
            senses[known] = its
            fresh.append(one.definition)
        at = known
        versions.append(known)
    return Placing(tuple(versions), tuple(fresh))


def _parted(number: int, at: int) -> str:
    if at == 0:
        return "There is an event type of this name, whose versions are not the subject's; give another eventTypeName."
    return f"Version {number} of the subject is none of the event type's, which goes on otherwise after version {at}."
