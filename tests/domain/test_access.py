"""Access: which policies cover what, and who is refused how."""

from collections.abc import Callable

import pytest

from event_issuer.domain.access import ANONYMOUS, DECISIONS_MAX, Action, Audience, Caller, Policy
from event_issuer.domain.errors import Forbidden, Unauthenticated

TYPE = "cloud.open.operational.train-arrived.v1"


def caller(*policies: Policy) -> Caller:
    return Caller(7, "timetable", 3, "banenor", policies)


@pytest.mark.parametrize(
    ("pattern", "event_type", "covered"),
    [
        (TYPE, TYPE, True),
        (TYPE, TYPE + ".v2", False),
        (TYPE, TYPE[:-1], False),
        ("*", TYPE, True),
        ("cloud.open.*", TYPE, True),
        ("cloud.open.*", "cloud.open.x", True),
        ("cloud.open.*", "cloud.open", False),
        ("cloud.open.*", "cloud.opening.x", False),
        ("cloud.open*", "cloud.open.x", False),
        ("*.v1", TYPE, False),
        ("Cloud.*", TYPE, False),
        ("", TYPE, False),
        (".*", TYPE, False),
    ],
)
def test_a_policy_covers_a_name_a_prefix_or_everything(pattern: str, event_type: str, covered: bool) -> None:
    assert Policy(Action.CONSUME, pattern).covers(event_type) is covered
    assert caller(Policy(Action.CONSUME, pattern)).may(Action.CONSUME, event_type) is covered


def test_a_policy_allows_its_own_action_only() -> None:
    allowed = caller(Policy(Action.PRODUCE, "*"))
    assert [action for action in Action if allowed.may(action, TYPE)] == [Action.PRODUCE]


def test_what_no_policy_allows_is_refused() -> None:
    assert not any(caller().may(action, TYPE) for action in Action)
    with pytest.raises(Forbidden) as raised:
        caller().authorise(Action.PRODUCE, TYPE)
    assert raised.value.detail == f"timetable needs a policy for PRODUCE on {TYPE}."


def test_any_one_policy_is_enough() -> None:
    several = caller(Policy(Action.CONSUME, "a.b"), Policy(Action.PRODUCE, "a.*"), Policy(Action.PRODUCE, TYPE))
    several.authorise(Action.PRODUCE, TYPE)
    several.authorise(Action.PRODUCE, "a.b")
    several.authorise(Action.CONSUME)
    with pytest.raises(Forbidden) as raised:
        several.authorise(Action.MANAGE_ACCESS)
    assert raised.value.detail == "timetable needs a policy for MANAGE_ACCESS."


@pytest.mark.parametrize(
    ("audience", "owner_tenant_id", "policies", "allowed"),
    [
        (Audience.OPEN, 99, (), True),
        (Audience.TENANT, 3, (), True),
        (Audience.TENANT, 99, (), False),
        (Audience.TENANT, 99, (Policy(Action.CONSUME, TYPE),), True),
        (Audience.GRANTED, 3, (), False),
        (Audience.GRANTED, 99, (Policy(Action.CONSUME, TYPE),), True),
        (Audience.GRANTED, 99, (Policy(Action.PRODUCE, TYPE),), False),
    ],
)
def test_who_may_consume(audience: Audience, owner_tenant_id: int, policies: tuple[Policy, ...], allowed: bool) -> None:
    assert caller(*policies).may_consume(TYPE, audience, owner_tenant_id) is allowed


@pytest.mark.parametrize(
    ("audience", "owner_tenant_id", "policies", "seen", "uses"),
    [
        (Audience.OPEN, 99, (), True, (Action.CONSUME,)),
        (Audience.TENANT, 3, (), True, (Action.CONSUME,)),
        (Audience.TENANT, 99, (), False, ()),
        (Audience.GRANTED, 3, (), True, ()),
        (Audience.GRANTED, 99, (), False, ()),
        (Audience.GRANTED, 99, (Policy(Action.CONSUME, TYPE),), True, (Action.CONSUME,)),
        (Audience.GRANTED, 99, (Policy(Action.PRODUCE, TYPE),), True, (Action.PRODUCE,)),
        (Audience.GRANTED, 99, (Policy(Action.MANAGE_EVENT_TYPES, TYPE),), True, ()),
        (Audience.GRANTED, 99, (Policy(Action.READ_AUDIT, TYPE),), False, ()),
        (Audience.OPEN, 99, (Policy(Action.PRODUCE, TYPE),), True, (Action.CONSUME, Action.PRODUCE)),
    ],
)
def test_who_may_see_a_type_and_use_it(
    audience: Audience,
    owner_tenant_id: int,
    policies: tuple[Policy, ...],
    seen: bool,
    uses: tuple[Action, ...],
) -> None:
    assert caller(*policies).may_see(TYPE, audience, owner_tenant_id) is seen
    assert caller(*policies).uses_of(TYPE, audience, owner_tenant_id) == uses


def test_nobody_sees_what_is_open_only() -> None:
    assert [audience for audience in Audience if ANONYMOUS.may_see(TYPE, audience, 3)] == [Audience.OPEN]
    assert ANONYMOUS.uses_of(TYPE, Audience.OPEN, 3) == (Action.CONSUME,)


@pytest.mark.parametrize(
    ("policies", "source", "allowed"),
    [
        ((Policy(Action.PRODUCE, TYPE),), "/anything", True),
        ((Policy(Action.PRODUCE, TYPE, "/banenor/"),), "/banenor/tios", True),
        ((Policy(Action.PRODUCE, TYPE, "/banenor/"),), "/vy/tios", False),
        ((Policy(Action.PRODUCE, TYPE, "/banenor/"),), "/BANENOR/tios", False),
        ((Policy(Action.PRODUCE, "a.b", None), Policy(Action.PRODUCE, TYPE, "/vy/")), "/banenor/", False),
        ((Policy(Action.PRODUCE, TYPE, "/vy/"), Policy(Action.PRODUCE, "cloud.*", "/banenor/")), "/banenor/", True),
        ((Policy(Action.CONSUME, TYPE, "/banenor/"),), "/banenor/", False),
        ((), "/banenor/", False),
    ],
)
def test_a_grant_may_be_bound_to_a_source(policies: tuple[Policy, ...], source: str, allowed: bool) -> None:
    assert caller(*policies).may_produce_from(TYPE, source) is allowed


def test_decisions_are_remembered_within_a_bound() -> None:
    asked = caller(Policy(Action.CONSUME, "a.*"))
    for number in range(3 * DECISIONS_MAX):
        assert asked.may(Action.CONSUME, f"a.{number}")
        assert not asked.may(Action.CONSUME, f"b.{number}")
        assert len(asked._decided) <= DECISIONS_MAX
    assert asked.may(Action.CONSUME, "a.0")


@pytest.mark.parametrize(
    "ask",
    [
        lambda who: who.authorise_presence(),
        lambda who: who.authorise(Action.CONSUME),
        lambda who: who.authorise(Action.PRODUCE, TYPE),
    ],
)
def test_the_anonymous_caller_is_asked_who_it_is(ask: Callable[[Caller], None]) -> None:
    with pytest.raises(Unauthenticated) as raised:
        ask(ANONYMOUS)
    assert raised.value.detail == "This needs a principal; send an API key."


def test_the_anonymous_caller_may_read_what_is_open_and_nothing_else() -> None:
    assert ANONYMOUS.policies == ()
    assert ANONYMOUS.may_consume(TYPE, Audience.OPEN, 3)
    assert not any(ANONYMOUS.may_consume(TYPE, audience, 3) for audience in (Audience.TENANT, Audience.GRANTED))
    assert not any(ANONYMOUS.may(action, TYPE) for action in Action)
    assert not ANONYMOUS.may_produce_from(TYPE, "/banenor/")


def test_a_known_principal_without_policies_is_present() -> None:
    caller().authorise_presence()


def test_callers_are_equal_whatever_they_were_asked() -> None:
    asked, fresh = caller(Policy(Action.CONSUME, "*")), caller(Policy(Action.CONSUME, "*"))
    asked.may(Action.CONSUME, TYPE)
    assert asked == fresh
    assert repr(asked) == repr(fresh)
