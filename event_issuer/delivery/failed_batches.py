"""The failed batches of a lane: parked as they were sent, tried again as they are, and parted where that may help.

A batch that the endpoint refuses, or whose budget is spent, is cut in two: both halves are due at once, and so on,
until single events stand alone. Only those become dead letters. Of a key that is in both halves the later events
follow the earlier ones, as if they had been passed over. Knows nothing of room or of what is under way.
"""

from collections.abc import Callable, Sequence

from event_issuer.delivery.failed import FailedEvents
from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.delivery.parked import Parked
from event_issuer.delivery.retry import next_attempt_at
from event_issuer.domain.subscriptions import PARKED_MAX
from event_issuer.domain.time import Instant
from event_issuer.eventlog.protocol import LogRecord


class FailedBatches(FailedEvents):
    """`event_bytes` is what an event takes in a batch. Whoever makes this sets it."""

    event_bytes: Callable[[LogRecord], int]

    def _take_apart(self) -> None:
        """Not here."""

    def take_due_batch(self) -> Sequence[Parked]:
        """The batch whose turn it is, or the single event; it stays parked."""
        return self.parked.batch_of(self.take_due())

    def is_still_due(self, members: Sequence[Parked]) -> bool:
        """Whether what is left of a batch is due, and not only what has left it."""
        now = self._subscription.now()
        return self._subscription.is_probing or any((one.next_attempt_at or now) <= now for one in members)

    def put_back_batch(self, members: Sequence[Parked]) -> None:
        """It was sent, and has not spent an attempt."""
        for one in members:
            one.probes += 1
        self.parked.hold_batch(members)

    def park_batch(self, records: Sequence[LogRecord], outcome: Outcome, *, blocks_keys: bool) -> bool:
        """The first attempt has failed. False where they are not parked, for they are to be sent in halves."""
        if len(records) == 1:
            key = records[0].event.partitionkey
            self.park(records[0], outcome, blocks_key=blocks_keys and key is not None)
            return True
        now = self._subscription.now()
        due_at = self._due_at(outcome, 1, now)
        if due_at is None:
            return False
        members: list[Parked] = []
        keys: set[str] = set()
        for record in records:
            key = record.event.partitionkey
            one = self._new(record.offset, key, now)
            one.failed(outcome, 1, due_at)
            if blocks_keys and key is not None and key not in keys:
                keys.add(key)
                one.blocks_key = True  # the first of its key: the others go with it, or follow it
            members.append(one)
        self._add(members)
        return True

    async def take_batch_outcome(self, members: Sequence[Parked], outcome: Outcome, attempts: int) -> None:
        """One more attempt at all of them has ended."""
        if len(members) == 1:
            self.parked.leave_batch(members[0])
            await self.take_outcome(members[0], outcome, attempts)
        elif outcome.kind is OutcomeKind.DELIVERED:
            for one in reversed(members):  # whoever blocks a key is the first of it, and leaves after the others
                await self.drop(one)
        else:
            due_at = self._due_at(outcome, attempts, members[0].parked_at)
            if due_at is None:
                self._part(members, outcome)
            else:
                for one in members:
                    one.failed(outcome, attempts, due_at)
                    self._settler.keep(self._lane, one)
                self.parked.hold_batch(members)

    def _due_at(self, outcome: Outcome, attempts: int, parked_at: Instant) -> Instant | None:
        """When a batch is tried again as it is; None where it is to be parted."""
        if outcome.kind is OutcomeKind.REFUSED:
            return None
        settings, now = self._subscription.settings, self._subscription.now()
        return next_attempt_at(settings, outcome, attempts, now - parked_at, now, self._random)

    def _part(self, members: Sequence[Parked], outcome: Outcome) -> None:
        """Nobody knows whose fault it was, so that no event has spent an attempt."""
        half = (len(members) + 1) // 2
        first, second = list(members[:half]), list(members[half:])
        for one in members:
            self.parked.leave_batch(one)
        heads = set(first)
        for one in second.copy():
            head = self.parked.head_of(one.key) if one.key is not None else None
            if head in heads and head is not None:
                second.remove(one)
                self._make_follower(one, head)
        now = self._subscription.now()
        for part in (first, second):
            for one in part:
                one.failed(outcome, one.attempts, now)
                self._settler.keep(self._lane, one)
            if part:
                self.parked.hold_batch(part)

    async def _leave(self, parked: Parked) -> None:
        """Where another event of its key stays in its batch, that blocks the key from now on."""
        if parked.blocks_key and parked.key is not None:
            others = (one for one in self.parked.batch_of(parked) if one is not parked and one.key == parked.key)
            heir = next(others, None)
            if heir is not None:
                self.parked.pass_block(parked, heir)
                self._settler.keep(self._lane, heir)
        await super()._leave(parked)

    async def _next_followers(self, parked: Parked) -> Sequence[LogRecord]:
        """As many as make a batch."""
        followers = await super()._next_followers(parked)
        body_bytes = 0
        for count, follower in enumerate(followers):
            body_bytes += self.event_bytes(follower) + 1
            if count and body_bytes > self._subscription.settings.batch_bytes_max:
                return followers[:count]
        return followers

    def _followers_max(self) -> int:
        """They take the place of one: a batch where there is room for it among what may be parked."""
        most = self._subscription.settings.batch_events_max
        return most if self._subscription.parked + most <= PARKED_MAX else 1
