"""The SQL of deduplication: which events are in the log already, by the digests of their identities.

PostgreSQL has an index of the digests. SQLite writes whole pages, and a digest's place in an index is a random one:
there the entries are only written one behind the other (`seq`), and an `IdentityIndex` tells where to look. It is
brought up to date within the transaction that asks it, so that no other process's entry is missed. Knows no records.
"""

from array import array
from collections.abc import Sequence
from operator import itemgetter
from typing import Final, TypeAlias

import orjson

from event_issuer.db.identity_index import IdentityIndex, keys_of
from event_issuer.db.work import Dialect, Row, Statement, Work, batches, insertion, rows_cte
from event_issuer.domain.time import Instant

Known: TypeAlias = dict[bytes, tuple[bytes, int, int, Instant]]
"""Identity → content, partition, offset, recorded at."""

LOADED_MAX: Final = 20_000  # entries that one statement brings into the index: some 10 ms

ENTRY: Final = {
    "identity_digest": "bytea",
    "content_digest": "bytea",
    "partition_id": "bigint",
    "log_offset": "bigint",
    "recorded_at_us": "bigint",
}
_IDENTITY: Final = {"identity_digest": "bytea"}
_CANDIDATE: Final = {"identity_digest": "bytea", "seq": "bigint"}
_FOUND: Final = "SELECT entries.identity_digest, content_digest, partition_id, log_offset, recorded_at_us"


def known_among(dialect: Dialect, index: IdentityIndex, identities: Sequence[bytes]) -> Work[Known]:
    """What is remembered of these identities. `index` is that of this database, and of nobody else meanwhile.

    The transaction has written no entry before: what the index has seen does not go away again.
    """
    if not identities:
        return {}
    if dialect == "postgresql":
        asked = [(identity,) for identity in identities]
        return (yield from _known(dialect, _IDENTITY, asked, "entries.identity_digest = asked.identity_digest"))
    while not (yield from update(dialect, index)):
        pass
    candidates = [(identities[number], seq) for number, seq in index.places(keys_of(identities))]
    on = "entries.seq = asked.seq AND entries.identity_digest = asked.identity_digest"
    return (yield from _known(dialect, _CANDIDATE, candidates, on))


def _known(dialect: Dialect, columns: dict[str, str], asked: Sequence[Row], on: str) -> Work[Known]:
    known: Known = {}
    for part in batches(columns, asked):
        cte = rows_cte(dialect, "asked", columns, part)
        rows = yield Statement(f"{cte.sql} {_FOUND} FROM asked JOIN dedupe_entries AS entries ON {on}", cte.args)
        known |= {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}
    return known


def update(dialect: Dialect, index: IdentityIndex) -> Work[bool]:
    """Brings newer entries into the index, up to `LOADED_MAX` of them; whether these were the last."""
    if dialect == "postgresql":  # which has an index of its own
        return True
    first, last = (yield _BOUNDS)[0]
    if first is None:
        first = last + 1
    if last < index.last:  # another database is at the same place
        index.clear()
    index.forget(first)
    begin = max(index.last + 1, first)
    if begin > last:
        return True
    rows = yield _entries_from(begin)
    places, digests = orjson.loads(rows[0][0]), bytes.fromhex(rows[0][1])
    is_end = len(places) < LOADED_MAX
    index.add(places, array("Q", digests), last if is_end else places[-1], last - first + 1)
    return is_end


# The counter says what was given last, also when nothing of it is left.
_BOUNDS: Final = Statement(
    "SELECT (SELECT MIN(seq) FROM dedupe_entries), "
    "COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'dedupe_entries'), 0)"
)


def _entries_from(seq: int) -> Statement:
    """One row, because SQLite's thread takes the interpreter anew for each: a JSON array of places, and keys in hex."""
    return Statement(
        "SELECT json_group_array(seq), group_concat(hex(substr(identity_digest, 1, 8)), '') FROM "
        "(SELECT seq, identity_digest FROM dedupe_entries WHERE seq >= $1 ORDER BY seq LIMIT $2)",
        (seq, LOADED_MAX),
    )


def remember(dialect: Dialect, entries: list[Row]) -> Work[None]:
    """Rows of identity, content, partition, offset and instant, of which none is remembered yet."""
    if dialect == "postgresql":
        entries.sort(key=itemgetter(0))  # in the order of the index, so that neighbours are on one page
    for part in batches(ENTRY, entries):
        yield insertion(dialect, "dedupe_entries", ENTRY, part)


def oldest_of_newest(dialect: Dialect, count: int) -> Statement:
    """When the oldest of the `count` newest entries was recorded; no row while there are fewer."""
    if dialect == "postgresql":
        newest = "SELECT recorded_at_us FROM dedupe_entries ORDER BY recorded_at_us DESC LIMIT 1 OFFSET $1 - 1"
    else:
        newest = "SELECT recorded_at_us FROM dedupe_entries WHERE seq = (SELECT MAX(seq) FROM dedupe_entries) - $1 + 1"
    return Statement(newest, (count,))


def forget(dialect: Dialect, before: Instant, count_max: int) -> Work[int]:
    """Ends the dedupe window of up to `count_max` entries recorded before `before`; the number forgotten."""
    rows = yield Statement(_FORGET[dialect], (before, count_max))
    return len(rows)


_FORGET: Final[dict[Dialect, str]] = {
    "postgresql": "DELETE FROM dedupe_entries WHERE identity_digest IN (SELECT identity_digest FROM dedupe_entries "
    "WHERE recorded_at_us < $1 ORDER BY recorded_at_us LIMIT $2) RETURNING 1",
    # From the beginning up to the first that stays: an index can drop what is below the first that there is.
    "sqlite": "WITH oldest AS (SELECT seq, recorded_at_us FROM dedupe_entries ORDER BY seq LIMIT $2) "
    "DELETE FROM dedupe_entries WHERE seq <= (SELECT MAX(seq) FROM oldest) "
    "AND seq < COALESCE((SELECT MIN(seq) FROM oldest WHERE recorded_at_us >= $1), seq + 1) RETURNING 1",
}
