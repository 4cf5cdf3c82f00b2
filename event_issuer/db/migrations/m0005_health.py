"""The health of an endpoint, stored with its subscription: breaker, pause, and how long nothing was due.

`frozen_us` is the time, over all, in which the subscription's own clock stood still; parked events keep that clock.
"""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 5
NAME = "health"


def statements(dialect: Dialect) -> Sequence[str]:
    return [
        "ALTER TABLE subscriptions ADD COLUMN probe_step INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE subscriptions ADD COLUMN probe_at_us BIGINT",
        "ALTER TABLE subscriptions ADD COLUMN paused_until_us BIGINT",
        "ALTER TABLE subscriptions ADD COLUMN pauses INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE subscriptions ADD COLUMN frozen_us BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE subscriptions ADD COLUMN frozen_since_us BIGINT",
    ]
