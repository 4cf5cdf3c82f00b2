"""Schemas that are registered at the same time: numbered without a gap, each compared with what won before it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from event_issuer.app import Issuer
from event_issuer.contracts.trial import SchemaTrial
from event_issuer.db.changes import ChangeFeed
from event_issuer.domain.access import EVERYTHING, Action, Caller, Policy
from event_issuer.domain.compatibility import Comparison, CompatibilityMode
from event_issuer.domain.errors import Conflict, SchemaIncompatible
from event_issuer.domain.time import system_clock
from event_issuer.resolvers.schemas import TRIES_MAX, Schemas
from tests.api.partners import SCHEMA, TYPE, Partner
from tests.contracts.comparing import LocalComparer
from tests.db.rows import execute, select

VERSIONS = "SELECT version FROM schema_versions ORDER BY version"
AUDITED = "SELECT COUNT(*) FROM audit_entries WHERE action = 'register'"


class Meeting(LocalComparer):
    """Holds each comparison until so many have come, and what `interfere` does has been done."""

    def __init__(self, *parties: int) -> None:
        super().__init__()
        self._barriers = [asyncio.Barrier(count) for count in parties]

    async def compare(self, old: object, new: object, mode: CompatibilityMode) -> Comparison:
        number = self.count
        compared = await super().compare(old, new, mode)
        met = 0
        for barrier in self._barriers:
            met += barrier.parties
            if number < met:
                await barrier.wait()
                break
        await self.interfere()
        return compared

    async def interfere(self) -> None:
        """Nothing, but for those who want to."""


class Interfering(Meeting):
    """While a schema is compared, another process adds a version."""

    def __init__(self, issuer: Issuer, times: int) -> None:
        super().__init__()
        self._issuer, self._times = issuer, times

    async def interfere(self) -> None:
        if self.count <= self._times:
            await execute(
                self._issuer.database,
                "INSERT INTO schema_versions (event_type_id, version, definition, created_at_us) SELECT id, $2, $3, 1 "
                "FROM event_types WHERE name = $1",
                (TYPE, self.count + 1, f'{{"$comment": "{self.count}"}}'),
            )


@pytest.fixture
async def trial() -> AsyncIterator[SchemaTrial]:
    trial = SchemaTrial()
    yield trial
    await trial.close()


@pytest.fixture
async def owner(issuer: Issuer, operator: Partner) -> Caller:
    """Of the type that each test begins with."""
    await operator.create_type(compatibility="FULL")
    ((tenant_id,),) = await select(issuer.database, "SELECT tenant_id FROM event_types")
    return Caller(1, "tester", tenant_id, "banenor", (Policy(Action.MANAGE_EVENT_TYPES, EVERYTHING),))


def schemas(issuer: Issuer, trial: SchemaTrial, comparer: LocalComparer) -> Schemas:
    return Schemas(issuer.database, trial, comparer, ChangeFeed(issuer.database, system_clock), system_clock)


async def test_the_loser_is_compared_with_what_won(issuer: Issuer, trial: SchemaTrial, owner: Caller) -> None:
    comparer = Meeting(2)
    registry = schemas(issuer, trial, comparer)
    wishes = [{**SCHEMA, "title": title} for title in ("one", "two")]
    made = await asyncio.gather(*(registry.register(owner, TYPE, wish) for wish in wishes))
    assert sorted(one.row.version for one in made) == [2, 3]
    assert comparer.count == 3
    assert await select(issuer.database, VERSIONS) == [(1,), (2,), (3,)]
    assert await select(issuer.database, AUDITED) == [(2,)]


async def test_who_asks_for_the_same_gets_the_same_version(issuer: Issuer, trial: SchemaTrial, owner: Caller) -> None:
    registry = schemas(issuer, trial, Meeting(2))
    wish = {**SCHEMA, "title": "one"}
    made = await asyncio.gather(*(registry.register(owner, TYPE, wish) for _ in range(2)))
    assert sorted((one.row.version, one.created) for one in made) == [(2, False), (2, True)]
    assert await select(issuer.database, VERSIONS) == [(1,), (2,)]


async def test_what_may_not_follow_the_winner_is_refused(issuer: Issuer, trial: SchemaTrial, owner: Caller) -> None:
    comparer = Interfering(issuer, 1)
    with pytest.raises(SchemaIncompatible) as refused:
        await schemas(issuer, trial, comparer).register(owner, TYPE, {**SCHEMA, "title": "one"})
    assert {problem.against_version for problem in refused.value.problems} == {2}
    assert await select(issuer.database, VERSIONS) == [(1,), (2,)]
    assert await select(issuer.database, AUDITED) == [(0,)]


async def test_a_mode_that_changes_meanwhile_counts(issuer: Issuer, trial: SchemaTrial, owner: Caller) -> None:
    class Changing(Meeting):
        async def interfere(self) -> None:
            await execute(issuer.database, "UPDATE event_types SET compatibility = 'BACKWARD'")

    wider = {**SCHEMA, "additionalProperties": True}
    with pytest.raises(SchemaIncompatible, match="in the mode FULL"):
        await schemas(issuer, trial, Changing()).register(owner, TYPE, wider)
    await execute(issuer.database, "UPDATE event_types SET compatibility = 'FULL'")
    comparer = Changing()
    made = await schemas(issuer, trial, comparer).register(owner, TYPE, {**SCHEMA, "title": "one"})
    assert (made.row.version, comparer.count) == (2, 2)


async def test_who_always_loses_is_told(issuer: Issuer, trial: SchemaTrial, owner: Caller) -> None:
    await execute(issuer.database, "UPDATE event_types SET compatibility = 'FORWARD'")
    comparer = Interfering(issuer, TRIES_MAX)
    with pytest.raises(Conflict, match=f"Others register schemas of {TYPE} at the same time"):
        await schemas(issuer, trial, comparer).register(owner, TYPE, {**SCHEMA, "title": "one"})
    assert comparer.count == TRIES_MAX
    assert await select(issuer.database, VERSIONS) == [(number,) for number in range(1, TRIES_MAX + 2)]
    assert await select(issuer.database, AUDITED) == [(0,)]
