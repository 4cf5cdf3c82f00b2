"""The refusals: stable codes and titles, and which of them may succeed later."""

import pytest

from event_issuer.domain import errors
from event_issuer.domain.errors import IssuerError, OutcomeUnknown, SchemaInvalid, Unavailable, Violation

CASES: list[tuple[type[IssuerError], str, str, bool]] = [
    (errors.BadInput, "BAD_USER_INPUT", "The request is not well formed", False),
    (errors.Unauthenticated, "UNAUTHENTICATED", "Who are you?", False),
    (errors.Forbidden, "FORBIDDEN", "Not allowed", False),
    (errors.NotFound, "NOT_FOUND", "No such object", False),
    (errors.Conflict, "CONFLICT", "The request contradicts the present state", False),
    (errors.SchemaInvalid, "SCHEMA_INVALID", "The schema cannot serve as a contract", False),
    (errors.SchemaIncompatible, "SCHEMA_INCOMPATIBLE", "The schema may not follow the earlier versions", False),
    (errors.ContractBroken, "CONTRACT_BROKEN", "The event breaks its contract", False),
    (errors.LimitExceeded, "LIMIT_EXCEEDED", "A limit was reached", True),
    (errors.Unavailable, "UNAVAILABLE", "Temporarily unavailable", True),
    (errors.OutcomeUnknown, "UNAVAILABLE", "The outcome is not known", True),
    (errors.SettingsInvalid, "SETTINGS_INVALID", "The settings cannot be used", False),
]


@pytest.mark.parametrize(("refusal", "code", "title", "retryable"), CASES)
def test_a_refusal_has_a_stable_code(refusal: type[IssuerError], code: str, title: str, retryable: bool) -> None:
    raised = refusal("what was wrong")
    assert (raised.code, raised.title, raised.retryable) == (code, title, retryable)
    assert (raised.detail, str(raised), raised.violations) == ("what was wrong", "what was wrong", ())


def test_every_refusal_is_listed_above() -> None:
    defined = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, IssuerError)}
    assert {case[0] for case in CASES} == defined - {IssuerError}


def test_violations_are_kept_in_order() -> None:
    found = [Violation("/b", "type", "one"), Violation("/a", "required", "two")]
    assert SchemaInvalid("two things", violations=found).violations == tuple(found)


def test_who_waits_for_a_part_that_is_away_also_bears_an_unknown_outcome() -> None:
    with pytest.raises(Unavailable):
        raise OutcomeUnknown("The database went away while it was committing.")
