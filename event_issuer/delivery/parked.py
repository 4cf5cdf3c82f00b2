"""Parked events: those that failed and wait, and the keys they block. In memory; settle writes them down.

While a key is blocked its followers are passed over without rows: `followers_from` says where they begin, and the
lane reads them again from the log once the head is gone.
"""

from dataclasses import dataclass

from event_issuer.delivery.outcome import Outcome
from event_issuer.domain.time import Instant


@dataclass(slots=True, eq=False)
class Parked:
    """A row of `parked_events`. `id` is None until the first settle that wrote it; `removed` asks for its deletion.

    A head with no attempts is a follower whose turn has come after its predecessor left.
    """

    lane_id: int
    subscription_id: int
    partition_id: int
    offset: int
    key: str | None
    attempts: int
    parked_at: Instant
    next_attempt_at: Instant | None
    last_outcome: str | None = None
    last_error: str | None = None
    dead_lettered_at: Instant | None = None
    followers_from: int | None = None
    id: int | None = None
    blocks_key: bool = False
    removed: bool = False

    def failed(self, outcome: Outcome, attempts: int, next_attempt_at: Instant | None, now: Instant) -> None:
        """Takes the outcome of one more attempt; without a next one the event becomes a dead letter."""
        self.attempts = attempts
        self.last_outcome = str(outcome.kind)
        self.last_error = outcome.error
        self.next_attempt_at = next_attempt_at
        if next_attempt_at is None:
            self.dead_lettered_at = now
            self.blocks_key = False
