"""What the database tells of a run: cursors that went back, attempts that were counted anew, events left unsettled.

A cursor that goes back is a stale write: whoever held the lease later had moved it on. Triggers note each, while the
run goes on.
"""

from typing import Final

from event_issuer.db.database import Database, open_database
from event_issuer.db.work import Statement, Work

_TABLE: Final = "CREATE TABLE chaos_regressions (lane_id BIGINT, was BIGINT, is_now BIGINT)"
_TRIGGERS: Final = {
    "sqlite": (
        "CREATE TRIGGER chaos_lanes AFTER UPDATE ON lanes WHEN NEW.next_offset < OLD.next_offset "
        "BEGIN INSERT INTO chaos_regressions VALUES (OLD.id, OLD.next_offset, NEW.next_offset); END",
    ),
    "postgresql": (
        "CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN "
        "INSERT INTO chaos_regressions VALUES (OLD.id, OLD.next_offset, NEW.next_offset); RETURN NEW; END $body$",
        "CREATE TRIGGER chaos_lanes AFTER UPDATE ON lanes FOR EACH ROW WHEN (NEW.next_offset < OLD.next_offset) "
        "EXECUTE FUNCTION chaos_note()",
    ),
}
_REGRESSIONS: Final = "SELECT COUNT(*) FROM chaos_regressions"
# An attempt whose number is lower than that of an earlier one of the same event: its budget has begun anew.
_RESETS: Final = (
    "SELECT COUNT(*) FROM (SELECT number, MAX(number) OVER (PARTITION BY subscription_id, partition_id, log_offset "
    "ORDER BY id) AS most FROM attempts) AS numbered WHERE number < most"
)
_DEAD_LETTERS: Final = "SELECT COUNT(*) FROM parked_events WHERE dead_lettered_at_us IS NOT NULL"
_WAITING: Final = "SELECT COUNT(*) FROM parked_events WHERE dead_lettered_at_us IS NULL"
_UNSETTLED: Final = (
    "SELECT COUNT(*) FROM lanes JOIN log_heads ON log_heads.partition_id = lanes.partition_id "
    "WHERE lanes.next_offset <> log_heads.next_offset"
)
_LANES: Final = (
    "SELECT event_types.name, partitions.number, lanes.next_offset FROM event_types "
    "JOIN partitions ON partitions.event_type_id = event_types.id JOIN lanes ON lanes.partition_id = partitions.id"
)
_PARTITIONS: Final = (
    "SELECT COUNT(*) FROM partitions JOIN event_types ON event_types.id = partitions.event_type_id "
    "WHERE event_types.name = $1"
)
_HOLDERS: Final = "SELECT COUNT(DISTINCT owner) FROM leases WHERE owner <> ''"


class Watch:
    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def begin(cls, database_url: str) -> "Watch":
        """On a migrated database, before the run."""
        database = await open_database(database_url)
        await database.run(_set_up(database.dialect))
        return cls(database)

    async def close(self) -> None:
        await self._database.close()

    async def regressions(self) -> int:
        return await self._count(_REGRESSIONS)

    async def resets(self) -> int:
        return await self._count(_RESETS)

    async def dead_letters(self) -> int:
        return await self._count(_DEAD_LETTERS)

    async def waiting(self) -> int:
        """Parked events that wait for their next attempt."""
        return await self._count(_WAITING)

    async def unsettled_lanes(self) -> int:
        return await self._count(_UNSETTLED)

    async def lanes(self) -> list[tuple[str, int, int]]:
        """Event type, partition and where the lane goes on, of each."""
        return [(name, number, offset) for name, number, offset in await self._database.read(Statement(_LANES))]

    async def partitions(self, event_type: str) -> int:
        """How many of them are known."""
        return int((await self._database.read(Statement(_PARTITIONS, (event_type,))))[0][0])

    async def holders(self) -> int:
        """How many processes hold leases."""
        return await self._count(_HOLDERS)

    async def _count(self, sql: str) -> int:
        return int((await self._database.read(Statement(sql)))[0][0])


def _set_up(dialect: str) -> Work[None]:
    yield Statement(_TABLE)
    for sql in _TRIGGERS[dialect]:
        yield Statement(sql)
