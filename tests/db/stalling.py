"""A PostgreSQL whose statements or commits wait for the test, so that their connection can be cut at that moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import asyncpg

LOCK = 4711
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN NULL; END'
"""
_TRIGGERS = {
    "statement": "CREATE TRIGGER stall AFTER INSERT ON {table} EXECUTE FUNCTION wait_for_the_test()",
    "commit": "CREATE CONSTRAINT TRIGGER stall AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION wait_for_the_test()",
}
_WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


class Stalled:
    """Those who wait, and what ends their waiting."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def kill(self) -> None:
        """Ends the connection of the first one that waits, as soon as it waits."""
        while not (rows := await self._connection.fetch(_WAITING)):
            pass
        await self._connection.execute("SELECT pg_terminate_backend($1)", rows[0]["pid"])

    async def go_on(self) -> None:
        """From now on nobody waits."""
        await self._connection.execute(f"SELECT pg_advisory_unlock({LOCK})")


@asynccontextmanager
async def stalled(url: str, table: str, at: Literal["statement", "commit"]) -> AsyncIterator[Stalled]:
    """Whoever inserts into `table` waits, at the statement or at its COMMIT."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_FUNCTION)
        await connection.execute(_TRIGGERS[at].format(table=table))
        await connection.execute(f"SELECT pg_advisory_lock({LOCK})")
        yield Stalled(connection)
        await connection.execute("SELECT pg_advisory_unlock_all()")
        await connection.execute(f"DROP TRIGGER stall ON {table}")
    finally:
        await connection.close()
