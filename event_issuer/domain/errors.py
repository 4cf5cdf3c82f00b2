"""Every refusal the product can utter: one tree, stable codes.

A refusal is raised where it is found and translated once per face (GraphQL, HTTP, CLI). This module does not know
how a face prints it. Titles are short and fixed per class; the detail says what was wrong, with the value, and what
would be right. No secret may enter a detail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a document breaks a contract.

    `path` is a JSON Pointer (RFC 6901) into the document, `rule` the keyword or rule that was broken.
    """

    path: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """Why a schema may not follow an earlier version of it.

    `path` is a JSON Pointer into one of the two, `rule` the keyword there. `witness`, where `witnessed` says that there
    is one, is a document that is valid under one of them and invalid under the other.
    """

    path: str
    rule: str
    message: str
    against_version: int
    witnessed: bool = False
    witness: object = None


class IssuerError(Exception):
    """A refusal with a stable `code`; `retryable` says whether the same request may succeed later."""

    code: ClassVar[str]
    title: ClassVar[str]
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, violations: Sequence[Violation] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.violations = tuple(violations)


class BadInput(IssuerError):
    code = "BAD_USER_INPUT"
    title = "The request is not well formed"


class Unauthenticated(IssuerError):
    code = "UNAUTHENTICATED"
    title = "Who are you?"


class Forbidden(IssuerError):
    code = "FORBIDDEN"
    title = "Not allowed"


class NotFound(IssuerError):
    code = "NOT_FOUND"
    title = "No such object"


class Conflict(IssuerError):
    code = "CONFLICT"
    title = "The request contradicts the present state"


class SchemaInvalid(IssuerError):
    code = "SCHEMA_INVALID"
    title = "The schema cannot serve as a contract"


class SchemaIncompatible(IssuerError):
    """A schema does not keep what its event type's mode promises, or it is not known whether it does."""

    code = "SCHEMA_INCOMPATIBLE"
    title = "The schema may not follow the earlier versions"

    def __init__(self, detail: str, *, problems: Sequence[SchemaProblem] = ()) -> None:
        super().__init__(detail)
        self.problems = tuple(problems)


class ContractBroken(IssuerError):
    """An event's data is not what its event type promises; the violations say where."""

    code = "CONTRACT_BROKEN"
    title = "The event breaks its contract"


class LimitExceeded(IssuerError):
    code = "LIMIT_EXCEEDED"
    title = "A limit was reached"
    retryable = True


class Unavailable(IssuerError):
    """A part we depend on cannot answer now; nothing was changed."""

    code = "UNAVAILABLE"
    title = "Temporarily unavailable"
    retryable = True


class OutcomeUnknown(Unavailable):
    """A write was asked for and no answer came: it may or may not have happened. Who asks again bears a repetition."""

    title = "The outcome is not known"


class SettingsInvalid(IssuerError):
    """The operator's settings cannot be used; only the CLI shows this one."""

    code = "SETTINGS_INVALID"
    title = "The settings cannot be used"
