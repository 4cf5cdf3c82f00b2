"""The failed events of a lane: each is parked, tried again, and in the end delivered, a dead letter or dropped.

Parking an event may block its key; when it leaves, the first of those that were passed over behind it takes its place.
What was parked as a batch, when the content mode was another, is taken apart. Knows nothing of room or of what is under
way: the lane says when.
"""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Protocol

from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.losses import EXPIRED
from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.delivery.parked import Parked, ParkedEvents
from event_issuer.delivery.reading import PartitionReader
from event_issuer.delivery.retry import next_attempt_at
from event_issuer.delivery.settle import Settler, SettlingLane
from event_issuer.domain.subscriptions import OnDeadLetter
from event_issuer.domain.time import Clock, Instant
from event_issuer.eventlog.protocol import LogRecord


class FailingLane(SettlingLane, Protocol):
    """What the failed events want of their lane."""

    partition_id: int
    subscription: ActiveSubscription


class FailedEvents:
    """`is_withheld` says which records the lane does not deliver."""

    def __init__(
        self,
        lane: FailingLane,
        parked: Iterable[Parked],
        reader: PartitionReader,
        is_withheld: Callable[[LogRecord], bool],
        settler: Settler,
        clock: Clock,
        random: Random,
    ) -> None:
        self._lane, self._subscription = lane, lane.subscription
        self._reader, self._is_withheld, self._settler = reader, is_withheld, settler
        self._clock, self._random = clock, random
        first = max(1, self._subscription.settings.max_in_flight // 2)
        self.parked = ParkedEvents(parked, self._subscription.now(), random, first=first)
        self._subscription.parked += len(self.parked)
        self.is_ready = False  # for what is due to be taken

    @property
    def next_due_at(self) -> Instant | None:
        """In the subscription's own time."""
        return self.parked.next_due_at

    def has_heads(self) -> bool:
        """Whether an event is parked that blocks its key."""
        return self.parked.has_heads()

    def head_of(self, key: str) -> Parked | None:
        """The event that blocks `key`."""
        return self.parked.head_of(key)

    async def make_ready(self) -> None:
        """Lets go of what the owner does not want any more; keys that it blocked go on."""
        self._take_apart()
        while self.parked.unwanted:
            await self.drop(self.parked.unwanted.pop())
        self.is_ready = True

    def _take_apart(self) -> None:
        """Each event of a batch goes alone, and those that have another of their key before them follow it."""
        for members in self.parked.dissolve():
            for one in members:
                head = self.parked.head_of(one.key) if one.key is not None else None
                if head is not None and head.offset < one.offset:
                    self._make_follower(one, head)
                else:
                    self._settler.keep(self._lane, one)
                    self.parked.hold(one)

    def _make_follower(self, parked: Parked, head: Parked) -> None:
        """It has no row from now on: it is read again from the log once `head`, an earlier one of its key, has gone."""
        self.parked.remove(parked)
        self._subscription.parked -= 1
        parked.removed = True
        if head.followers_from is None or head.followers_from > parked.offset:
            head.followers_from = parked.offset
        for changed in (parked, head):
            self._settler.keep(self._lane, changed)

    def is_due(self) -> bool:
        """Whether one is due. A probe waits for none: time stands still until it has been sent."""
        due_at = self.parked.next_due_at
        return due_at is not None and (self._subscription.is_probing or due_at <= self._subscription.now())

    def take_due(self) -> Parked:
        """The one whose turn it is; it stays parked."""
        return self.parked.take_for_probe() if self._subscription.is_probing else self.parked.take_due()

    def hold_again(self, parked: Parked) -> None:
        """It was taken, and not sent."""
        self.parked.hold(parked)

    def put_back(self, parked: Parked) -> None:
        """It was sent, and has not spent an attempt."""
        parked.probes += 1
        self.parked.hold(parked)

    def park(self, record: LogRecord, outcome: Outcome, *, blocks_key: bool) -> None:
        """The first attempt has failed."""
        now, key = self._subscription.now(), record.event.partitionkey
        parked = self._new(record.offset, key, now)
        parked.blocks_key = blocks_key
        if self._stays(parked, outcome, 1):
            self._add([parked])
        else:
            parked.blocks_key = False
            self._settler.keep(self._lane, parked)

    async def take_outcome(self, parked: Parked, outcome: Outcome, attempts: int) -> None:
        """One more attempt has ended."""
        if outcome.kind is OutcomeKind.DELIVERED:
            await self.drop(parked)
        elif self._stays(parked, outcome, attempts):
            self.parked.hold(parked)
            self._settler.keep(self._lane, parked)
        else:
            await self._leave(parked)
            parked.blocks_key = False
            self._settler.keep(self._lane, parked)

    async def expire(self, parked: Parked, outcome: Outcome) -> None:
        """The log no longer has the event, or its data."""
        await self._leave(parked)
        self._lane.expired += outcome is EXPIRED
        parked.failed(outcome, parked.attempts, None)
        parked.dead_lettered_at, parked.blocks_key = self._clock(), False
        self._settler.keep(self._lane, parked)

    async def drop(self, parked: Parked) -> None:
        """It is delivered, or not wanted any more."""
        await self._leave(parked)
        parked.removed = True
        self._settler.keep(self._lane, parked)

    def _stays(self, parked: Parked, outcome: Outcome, attempts: int) -> bool:
        """Takes the outcome of one more attempt. False for a dead letter that lets its key go on."""
        settings, now = self._subscription.settings, self._subscription.now()
        due_at = next_attempt_at(settings, outcome, attempts, now - parked.parked_at, now, self._random)
        parked.failed(outcome, attempts, due_at)
        if due_at is not None:
            return True
        parked.dead_lettered_at = self._clock()
        return parked.blocks_key and settings.on_dead_letter is OnDeadLetter.HOLD_KEY

    async def _leave(self, parked: Parked) -> None:
        """Takes a parked event out of the lane; its key passes to its first follower, or is free."""
        followers = await self._next_followers(parked)
        self.parked.remove(parked)
        self._subscription.parked -= 1
        if not followers:
            return
        now = self._subscription.now()
        members = [self._new(follower.offset, parked.key, now) for follower in followers]
        members[0].followers_from, members[0].blocks_key = followers[-1].offset + 1, True
        self._add(members)

    async def _next_followers(self, parked: Parked) -> Sequence[LogRecord]:
        if not parked.blocks_key or parked.followers_from is None or parked.key is None:
            return ()
        return await self._reader.settled_with_key(
            parked.key,
            parked.followers_from,
            self._lane.cursor,
            lambda record: not self._is_withheld(record),
            self._followers_max(),
        )

    def _followers_max(self) -> int:
        """How many of them may take the place of one."""
        return 1

    def _new(self, offset: int, key: str | None, now: Instant) -> Parked:
        lane = self._lane
        return Parked(lane.id, self._subscription.id, lane.partition_id, offset, key, 0, now, now)

    def _add(self, members: Sequence[Parked]) -> None:
        """One, or a batch."""
        self.parked.hold_batch(members)
        self._subscription.parked += len(members)
        for one in members:
            self._settler.keep(self._lane, one)
