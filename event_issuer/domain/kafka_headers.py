"""What headers of a Kafka record say: attributes of a CloudEvent in binary mode, its media type, our schema version.

Kafka binding §3.2.3: names begin with `ce_`, names and values are UTF-8. Knows no values of attributes, and no modes.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from event_issuer.domain.errors import Violation
from event_issuer.domain.events import ATTRIBUTES_LENGTH_MAX
from event_issuer.domain.unreadable import UnreadableReason
from event_issuer.domain.violations import pointer_token, violation

CONTENT_TYPE: Final = "content-type"
PREFIX: Final = "ce_"
SCHEMA_VERSION_HEADER: Final = "ei_schemaversion"

_SCHEMA_VERSION_MAX: Final = 2**31 - 1
_NOT_A_HEADER: Final = {
    "data": "the record's value",
    "data_base64": "the record's value",
    "datacontenttype": "the header content-type",
}

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
"""A header may have no value: its attribute is not set."""


class Found(NamedTuple):
    """What the headers say: attributes by name (the content type as datacontenttype), and what is wrong with them."""

    members: dict[str, object]
    is_event: bool
    schema_version: int | None
    violations: list[Violation]


class _Names(NamedTuple):
    """What headers of these names, in this order, are: attributes ("" for what is none), and where the version is."""

    attributes: tuple[str, ...]
    schema_version: int | None
    is_event: bool


# Of the headers of most records the names are the same: what they are is found once.
_known_names: Final[dict[tuple[str, ...], _Names]] = {}
_KNOWN_NAMES_MAX: Final = 1_024  # each no longer than attributes may be: at most some 10 MiB


def read_headers(headers: Headers) -> Found:
    """The quick way for headers that raise no question; else one by one, with all that is wrong."""
    names = tuple([name for name, _ in headers])
    known = _known_names.get(names) or _learn(names)
    if known is not None:
        values = [value for _, value in headers]
        try:
            # A value that is None has no decode: the slow way knows what it means.
            members: dict[str, object] = {
                name: value.decode()  # type: ignore[union-attr]
                for name, value in zip(known.attributes, values, strict=True)
                if name
            }
        except (UnicodeDecodeError, AttributeError):
            return _read_each(headers)
        version = None if known.schema_version is None else _schema_version(values[known.schema_version])
        return Found(members, known.is_event, version, [])
    return _read_each(headers)


def _learn(names: tuple[str, ...]) -> _Names | None:
    """None where names are wrong or too many to be remembered."""
    attributes = [_attribute_of(name) or "" for name in names]
    named = [name for name in attributes if name]
    prefixed = [name[len(PREFIX) :] for name in names if name.startswith(PREFIX)]
    if "" in prefixed or not _NOT_A_HEADER.keys().isdisjoint(prefixed):
        return None
    if len(set(named)) < len(named) or names.count(SCHEMA_VERSION_HEADER) > 1:
        return None
    known = _Names(
        tuple(attributes),
        names.index(SCHEMA_VERSION_HEADER) if SCHEMA_VERSION_HEADER in names else None,
        bool(prefixed),
    )
    if sum(map(len, names)) <= ATTRIBUTES_LENGTH_MAX:
        if len(_known_names) >= _KNOWN_NAMES_MAX:
            _known_names.clear()
        _known_names[names] = known
    return known


def _attribute_of(header: str) -> str | None:
    """The attribute's name; None for a header that is none. Other clients' frameworks write Content-Type as in HTTP."""
    if header.startswith(PREFIX):
        return header[len(PREFIX) :]
    return "datacontenttype" if header.lower() == CONTENT_TYPE else None


def _read_each(headers: Headers) -> Found:
    members: dict[str, object] = {}
    violations: list[Violation] = []
    versions = [value for header, value in headers if header == SCHEMA_VERSION_HEADER]
    for header, value in headers:
        name = _attribute_of(header)
        if name is None:
            continue
        if header.startswith(PREFIX) and name in _NOT_A_HEADER:
            message = f"{name} is {_NOT_A_HEADER[name]}, not a header {header}."
            violations.append(_wrong(UnreadableReason.ATTRIBUTE_NAME, name, message))
            continue
        if name in members:
            message = f"The header {header[:80]} occurs more than once."
            violations.append(_wrong(UnreadableReason.HEADER_TWICE, name, message))
        try:
            members[name] = None if value is None else value.decode()
        except UnicodeDecodeError:
            members[name] = None
            message = f"The header {header[:80]} is not UTF-8 (Kafka binding §3.2.3)."
            violations.append(_wrong(UnreadableReason.HEADER_NOT_UTF8, name, message))
    is_event = any(header.startswith(PREFIX) for header, _ in headers)
    return Found(members, is_event, _schema_version(versions[0]) if len(versions) == 1 else None, violations)


def _schema_version(value: bytes | None) -> int | None:
    """What is no version that we would have written does not count: the judge is asked."""
    if value is None or not value.isdigit() or len(value) > len(str(_SCHEMA_VERSION_MAX)):
        return None
    version = int(value)
    return version if 0 < version <= _SCHEMA_VERSION_MAX else None


def _wrong(reason: UnreadableReason, name: str, message: str) -> Violation:
    return violation(f"/{pointer_token(name)}", reason.value, message)
