"""Sends test events: one request each, through the same courier as deliveries, outside the log.

It is never tried again, parks nothing, fails no subscription and takes no room of its lanes. The process that leases
the first partition of the event's type sends it.
"""

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

import structlog

from event_issuer.db import test_deliveries as sql
from event_issuer.db.changes import ChangeFeed, Topic
from event_issuer.db.database import Database
from event_issuer.db.tables import Subscription
from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.attempt import Attempt, AttemptKind, Courier
from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.delivery.timings import timings_text
from event_issuer.delivery.tracing import TRACE_ID_BYTES
from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.errors import BadInput, Conflict, Unavailable
from event_issuer.domain.json_format import event_from_text
from event_issuer.domain.marking import HEADER_LINE
from event_issuer.domain.subscriptions import Status, refuse_untestable
from event_issuer.domain.time import SECOND_US, Clock
from event_issuer.eventlog.protocol import LogRecord

POLL_S: Final = 1.0  # requests wake at once; this is for those whose partition has just been leased
UNDER_WAY_MAX: Final = 16  # endpoints that hang hold up others no sooner than this
WAITING_MAX: Final = 200  # looked at in one step; other processes take most of those that are not ours
PRUNE_EVERY_S: Final = 3600
OUTSIDE_THE_LOG: Final = 0  # no partition has this id, so that no event of the log has the same `webhook-id`

logger = structlog.get_logger(__name__)


class TestDeliverer:
    """`held` gives the leases that can be trusted now: partition → epoch."""

    __test__ = False  # no test of ours, whatever its name says to pytest

    def __init__(
        self,
        database: Database,
        feed: ChangeFeed,
        held: Callable[[], Mapping[int, int]],
        courier: Courier,
        activate: Callable[[Subscription], ActiveSubscription],
        deprecations: Mapping[int, Deprecation],
        clock: Clock,
        random: Random,
    ) -> None:
        self._database, self._held, self._courier, self._activate = database, held, courier, activate
        self._deprecations, self._clock, self._random = deprecations, clock, random
        self._under_way: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._is_stopping = False
        self._pruned_at = 0
        feed.listen(self._note)

    def _note(self, topic: Topic, _: int) -> None:
        if topic is Topic.TEST_DELIVERY:
            self._awake.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                await self.step()
                async with asyncio.timeout(POLL_S):  # wait_for may swallow a cancellation before Python 3.12
                    await self._awake.wait()
            except TimeoutError:
                continue
            except Unavailable as problem:
                logger.warning("test events wait", problem=problem.detail)
                await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """Begins none any more, and gives up those under way: they expire. It comes before the sender is closed."""
        self._is_stopping = True
        for task in self._under_way:
            task.cancel()
        await self.idle()

    async def idle(self) -> None:
        """Returns when none is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def step(self) -> int:
        """Begins to send what waits for this process, as many as there is room for; their number."""
        self._awake.clear()
        await self._prune_now_and_then()
        begun = 0
        for id_, partition_id in await self._database.read(sql.waiting(self._clock(), WAITING_MAX)):
            if self._is_stopping or len(self._under_way) >= UNDER_WAY_MAX:
                break
            if partition_id in self._held():
                task = asyncio.create_task(self._send(id_))
                self._under_way.add(task)
                task.add_done_callback(self._ended)
                begun += 1
        return begun

    async def _prune_now_and_then(self) -> None:
        now = self._clock()
        if not 0 <= now - self._pruned_at < PRUNE_EVERY_S * SECOND_US:
            await self._database.run(sql.prune(now - sql.KEPT_S * SECOND_US))
            self._pruned_at = now

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._awake.set()  # there is room for another
        if not task.cancelled() and task.exception() is not None:
            logger.error("test event failed inside", exc_info=task.exception())

    async def _send(self, id_: int) -> None:
        claimed = await self._database.run(sql.claim(id_, self._clock()))
        if claimed is None:
            return
        subscription_id, partition_id, text, requested_at = claimed
        living = (Subscription.id == subscription_id) & Subscription.deleted_at_us.is_null()
        row = await Subscription.objects().where(living).first()
        if row is None:
            return
        record = _record(id_, text, requested_at, self._deprecations.get(partition_id))
        attempt = await self._attempt(row, record)
        await self._database.run(sql.finish(id_, _columns(attempt)))

    async def _attempt(self, row: Subscription, record: LogRecord) -> Attempt:
        """Nothing is sent where the subscription has changed since it was asked for; that is what came of it, then."""
        try:
            refuse_untestable(Status(row.status), row.verified_at_us)
            subscription = self._activate(row)
            subscription.endpoint.head += HEADER_LINE  # of this request alone: it was activated for it
        except (BadInput, Conflict) as problem:
            trace_id = self._random.randbytes(TRACE_ID_BYTES).hex()
            outcome = Outcome(OutcomeKind.REFUSED, error=problem.detail, is_final=True)
            return Attempt(row.id, record, AttemptKind.TEST, 1, self._clock(), 0, trace_id, outcome)
        return await self._courier.attempt(subscription, record, 1)


def _record(id_: int, text: str, requested_at: int, deprecation: Deprecation | None) -> LogRecord:
    event = event_from_text(text.encode()).event
    told = event if deprecation is None else deprecation.told_by(event)
    return LogRecord(OUTSIDE_THE_LOG, id_, requested_at, None, told)


def _columns(attempt: Attempt) -> dict[str, object]:
    outcome = attempt.outcome
    return {
        "subscription_id": attempt.subscription_id,
        "kind": AttemptKind.TEST.value,
        "number": attempt.number,
        "started_at_us": attempt.started_at,
        "duration_us": attempt.duration_us,
        "outcome": outcome.kind.value,
        "http_status": outcome.http_status,
        "error": outcome.error,
        "response_excerpt": outcome.response_excerpt,
        "trace_id": attempt.trace_id,
        "timings": timings_text(attempt.timings),
    }
