"""The processes that deliver, so that each knows how many there are to share the partitions with."""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 8
NAME = "processes"


def statements(dialect: Dialect) -> Sequence[str]:
    return [
        "CREATE TABLE processes (owner TEXT NOT NULL PRIMARY KEY, started_at_us BIGINT NOT NULL, "
        "expires_at_us BIGINT NOT NULL)"
    ]
