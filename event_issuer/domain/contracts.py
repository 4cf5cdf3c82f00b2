"""Contracts: whether a JSON Schema can serve as one, and whether a document keeps it.

`check_definition` decides what becomes a contract; a `Contract` then judges documents. The checks bound what
a schema can cost, but to compile and try a stranger's schema still belongs in a process that can be killed
(event_issuer.contracts.trial). This module knows no versions, no event types and no clock.

Patterns are ECMA-262 without look-around and back-references, so that matching is linear in the length of the
text. `format` is asserted; a format that the dialect does not know is ignored, as the specification has it.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import cast

import jsonschema_rs

from event_issuer.domain.dialects import DEFAULT_DIALECT, DIALECTS, Dialect, dialect_named
from event_issuer.domain.errors import SchemaInvalid, Violation
from event_issuer.domain.expansion import Expansion
from event_issuer.domain.json_values import json_bytes, json_type
from event_issuer.domain.violations import VIOLATIONS_MAX, pointer_token, refusal, refuse, shortened, violation

# Schemas of real event types are some KiB; a whole industry model is some hundred.
SCHEMA_BYTES_MAX = 256 * 1024
# An example is one event's data; events up to this size are always accepted.
EXAMPLE_BYTES_MAX = 64 * 1024
# Compiled size of one pattern. `^[\p{L} ]{1,50}$` needs 3 MB; from 10 MB on, 16 KiB of text can take 5 ms.
PATTERN_BYTES_MAX = 4_000_000
# Checks that may fail on a document that is explained in full: jsonschema-rs makes all errors before it shows
# one, and an error takes about 4 µs.
EXPLAINED_CHECKS_MAX = 10_000

# The library's words for these say something else than what was broken.
_BETTER_MESSAGES = {"contains": "The number of items that match 'contains' is out of its bounds"}


def check_definition(definition: object) -> None:
    """Raise `SchemaInvalid`, with the places in the schema, unless `definition` can serve as a contract.

    It must be an object (`true` and `false` promise nothing), valid against its metaschema, self-contained,
    and of bounded size, depth and expense; its patterns must compile.
    """
    encode_definition(definition)
    definition = cast(dict[str, object], definition)
    dialect = _dialect_of(definition)
    refuse(_violations(dialect.validator({"$ref": dialect.uri}, offline=True), definition))
    Expansion(definition, dialect)
    _compile(definition, dialect)


def encode_definition(definition: object) -> bytes:
    """The schema as JSON. Raises `SchemaInvalid` if it is not an object, too large, too deep or not JSON."""
    if not isinstance(definition, dict):
        raise refusal("type", f"A schema that can serve as a contract is a JSON object, not {json_type(definition)}")
    return _encode(definition, "schema", SCHEMA_BYTES_MAX)


def encode_example(example: object) -> bytes:
    """The example as JSON, within the same bounds of depth and its own of size. Raises `SchemaInvalid`."""
    return _encode(example, "example", EXAMPLE_BYTES_MAX)


def _encode(value: object, what: str, bytes_max: int) -> bytes:
    try:
        encoded = json_bytes(value)
    except ValueError as problem:
        raise refusal("json", f"The {what} is {problem}") from problem
    if len(encoded) > bytes_max:
        raise refusal("size", f"The {what} has {len(encoded)} bytes; at most {bytes_max} are taken")
    return encoded


def _dialect_of(definition: dict[str, object]) -> Dialect:
    uri = definition.get("$schema", DEFAULT_DIALECT.uri)
    dialect = dialect_named(uri)
    if dialect is None:
        message = f"$schema {uri!r:.80} is no dialect of ours; take one of {', '.join(DIALECTS)}"
        raise SchemaInvalid(message, violations=[violation("/$schema", "$schema", message)])
    return dialect


def _compile(definition: dict[str, object], dialect: Dialect) -> jsonschema_rs.Validator:
    try:
        return dialect.validator(
            definition,
            validate_formats=True,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES_MAX),
        )
    except jsonschema_rs.ValidationError as error:
        refuse([_uncompiled(error)])
        raise
    except ValueError as error:
        raise refusal("compile", f"The schema cannot be compiled: {shortened(str(error))}") from error


class Contract:
    """One version of a schema, compiled; judges documents. Make one per version and keep it."""

    def __init__(self, definition: dict[str, object]) -> None:
        """`definition` has passed `check_definition`. Raises `SchemaInvalid` if it does not compile."""
        self._definition = definition
        self._dialect = _dialect_of(definition)
        self._validator = _compile(definition, self._dialect)

    def accepts(self, document: object) -> bool:
        """Whether `document`, a value that `json_bytes` writes, keeps the contract."""
        try:
            return self._validator.is_valid(document)
        except ValueError:  # text that is not Unicode, or a value that JSON does not have
            return False

    def violations(self, document: object, limit: int = VIOLATIONS_MAX) -> tuple[Violation, ...]:
        """In which ways `document` breaks the contract, at most `limit`; none if it keeps it.

        A document in which more than `EXPLAINED_CHECKS_MAX` checks could fail is explained by its first
        violation; where even that could hold all the failures inside an `anyOf` or `oneOf`, in general words.
        """
        if self.accepts(document):
            return ()
        if self.expansion.cost(document, EXPLAINED_CHECKS_MAX) <= EXPLAINED_CHECKS_MAX:
            return tuple(_violations(self._validator, document))[:limit]
        if self.expansion.branches:
            return (violation("", "size", "The document breaks the contract and is too large to say where"),)
        return tuple(_first_violation(self._validator, document))[:limit]

    @cached_property
    def expansion(self) -> Expansion:
        """Where the subschemas apply. Made when first needed: to judge does not need it, only to explain."""
        return Expansion(self._definition, self._dialect)


def _violations(validator: jsonschema_rs.Validator, document: object) -> list[Violation]:
    try:
        errors = validator.iter_errors(document)
    except ValueError as error:
        return [_not_json(error)]
    return list(dict.fromkeys(_violation(error) for error in errors))


def _first_violation(validator: jsonschema_rs.Validator, document: object) -> list[Violation]:
    try:
        validator.validate(document)
    except jsonschema_rs.ValidationError as error:
        return [_violation(error)]
    except ValueError as error:
        return [_not_json(error)]
    return []


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    rule = error.kind.name
    return violation(_pointer(error.instance_path), rule, _BETTER_MESSAGES.get(rule, error.message))


def _uncompiled(error: jsonschema_rs.ValidationError) -> Violation:
    if error.kind.name != "format":
        return _violation(error)
    message = (
        f"The pattern cannot be taken ({error.message:.50}): it may be ECMA-262 without look-around and "
        f"back-references, at most {PATTERN_BYTES_MAX} bytes compiled"
    )
    return violation(_pointer(error.instance_path), "pattern", message)


def _not_json(error: ValueError) -> Violation:
    return violation("", "json", f"The document is not JSON: {error}")


def _pointer(path: Sequence[str | int]) -> str:
    return "".join(f"/{pointer_token(str(step))}" for step in path)
