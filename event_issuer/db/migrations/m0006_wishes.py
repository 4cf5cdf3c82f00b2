"""What an owner wants done with a parked event that a lane holds in memory: the lane does it when it is opened anew."""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 6
NAME = "wishes"


def statements(dialect: Dialect) -> Sequence[str]:
    return ["ALTER TABLE parked_events ADD COLUMN wish TEXT"]
