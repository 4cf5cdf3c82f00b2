"""The handshake: no event is sent to an endpoint that has not agreed to receive from us.

Source: CloudEvents HTTP 1.1 Web Hooks 1.0.2 §4. The request carries no secret: it goes to whoever answers at the URL.
Knows nothing of lanes: a subscription whose endpoint agreed becomes STARTING, which the engine hears of.
"""

import asyncio
from random import Random
from typing import Final

import structlog

from event_issuer.db.changes import ChangeFeed, Topic
from event_issuer.db.database import Database
from event_issuer.db.verifications import Claim, Objection, agreed, anything_due, claim, objected
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.subscriptions import Verification
from event_issuer.domain.time import SECOND_US, Clock
from event_issuer.egress.control import ControlClient, ControlResponse
from event_issuer.egress.messages import Failure

TIMEOUT_S: Final = 10.0  # an answer without a body
BODY_BYTES_MAX: Final = 64 * 1024  # none is needed; an error page is no reason to object
CLAIM_S: Final = 20  # longer than a handshake takes; after a crash another process asks again
UNDER_WAY_MAX: Final = 32  # endpoints that hang hold up others no sooner than this
POLL_S: Final = 1.0  # changes wake at once; this is for those that are due again
# After each attempt but the last: an endpoint that is being set up is found soon, one that stays away is given up
# after about an hour and FAILED.
RETRY_DELAYS_S: Final = (2, 5, 15, 60, 300, 900, 1800)

logger = structlog.get_logger(__name__)


class Handshaker:
    """`origin` is the DNS name under which we ask and send, as in `WebHook-Request-Origin`."""

    def __init__(
        self, database: Database, feed: ChangeFeed, control: ControlClient, origin: str, clock: Clock, random: Random
    ) -> None:
        self._database, self._feed, self._control = database, feed, control
        self._origin, self._clock, self._random = origin, clock, random
        self._under_way: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._is_stopping = False
        feed.listen(self._note)

    def _note(self, topic: Topic, object_id: int) -> None:
        if topic is Topic.SUBSCRIPTION:
            self._awake.set()

    async def run(self) -> None:
        """Runs until cancelled; who has not answered by then is asked again later, here or elsewhere."""
        try:
            while True:
                try:
                    await self.step()
                    async with asyncio.timeout(POLL_S):  # wait_for may swallow a cancellation before Python 3.12
                        await self._awake.wait()
                except TimeoutError:
                    continue
                except Unavailable as problem:
                    logger.warning("handshakes wait", problem=problem.detail)
                    await asyncio.sleep(POLL_S)
        finally:
            self._give_up()

    async def stop(self) -> None:
        """Begins none any more, and gives up those under way. It comes before the control client is closed."""
        self._is_stopping = True
        self._give_up()
        await self.idle()

    def _give_up(self) -> None:
        for task in self._under_way:
            task.cancel()

    async def step(self) -> int:
        """Begins handshakes that are due, as many as there is room for; their number."""
        self._awake.clear()
        room, now = self._room(), self._clock()
        if room <= 0 or not await self._database.read(anything_due(now)):
            return 0
        work = claim(self._database.dialect, now, now + CLAIM_S * SECOND_US, room)
        claims = await self._database.run(work)
        if self._room() <= 0:  # stopped meanwhile
            return 0  # another process, or this one after its restart, asks when the claims have run out
        for claimed in claims:
            task = asyncio.create_task(self._verify(claimed))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        return len(claims)

    def _room(self) -> int:
        return 0 if self._is_stopping else UNDER_WAY_MAX - len(self._under_way)

    async def idle(self) -> None:
        """Returns when no handshake is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._awake.set()  # there is room for another
        if not task.cancelled() and task.exception() is not None:
            # Its claim runs out, and it is asked again.
            logger.error("handshake failed inside", exc_info=task.exception())

    async def _verify(self, claimed: Claim) -> None:
        objection = None
        if claimed.verification != Verification.NONE:
            trace_id = f"{self._random.getrandbits(128):032x}"
            objection = await self._ask(claimed, trace_id)
        now = self._clock()
        work = agreed(claimed, now) if objection is None else objected(claimed, objection, now)
        if await self._database.run(work):
            self._feed.hurry()

    async def _ask(self, claimed: Claim, trace_id: str) -> Objection | None:
        headers = {
            "webhook-request-origin": self._origin,
            "traceparent": f"00-{trace_id}-{self._random.getrandbits(64) or 1:016x}-01",
        }
        answer = await self._control.request(
            "OPTIONS", claimed.url, headers=headers, timeout_s=TIMEOUT_S, body_bytes_max=BODY_BYTES_MAX
        )
        problem = objection_to(answer, self._origin)
        if problem is None:
            return None
        status = answer.status if isinstance(answer, ControlResponse) else None
        retry_at = None
        if claimed.number <= len(RETRY_DELAYS_S):
            retry_at = self._clock() + RETRY_DELAYS_S[claimed.number - 1] * SECOND_US
        return Objection(problem, trace_id, status, retry_at)


def objection_to(answer: ControlResponse | Failure, origin: str) -> str | None:
    """What is wrong with an answer to the handshake and what would be right; None when it agrees (§4.2)."""
    if isinstance(answer, Failure):
        return f"The endpoint did not answer OPTIONS: {answer.kind}: {answer.message}."
    right = f"it agrees with a 2xx status and WebHook-Allowed-Origin: {origin} (or *)."
    if not 200 <= answer.status < 300:
        return f"The endpoint answered OPTIONS with {answer.status}; {right}"
    allowed = answer.headers.get("webhook-allowed-origin")
    if allowed is None:
        return f"The endpoint answered OPTIONS with {answer.status} but without WebHook-Allowed-Origin; {right}"
    if allowed.strip() != "*" and allowed.strip().lower() != origin.lower():  # DNS names know no case
        return f"The endpoint answered OPTIONS with WebHook-Allowed-Origin: {allowed!r:.100}; {right}"
    return None
