"""When a subscription may be opened: not all at once after a restart, and later and later where its lanes raise.

Knows nothing of what opening is.
"""

import asyncio
from random import Random
from typing import Final

from event_issuer.delivery.concurrency import Pace
from event_issuer.domain.time import SECOND_US, Instant

RESTART_PAUSE_S: Final = 1.0  # before a subscription whose lane raised is opened again; it doubles each time
RESTART_PAUSE_MAX_S: Final = 300.0
FAULTS_FORGOTTEN_S: Final = 600.0  # a lane that raised so long ago is well
OPENED_PER_SECOND: Final = 200.0  # endpoints are not all called, nor the log read everywhere, in the same moment


class Faults:
    """How long a subscription whose lane raised stays closed."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, Instant]] = {}  # by subscription: how often, and when last

    def pause_s(self, subscription_id: int, now: Instant) -> float:
        """After one more fault, at `now`."""
        fresh = now - round(FAULTS_FORGOTTEN_S * SECOND_US)
        self._counts = {id_: known for id_, known in self._counts.items() if known[1] >= fresh}
        count = self._counts.get(subscription_id, (0, now))[0]
        self._counts[subscription_id] = (count + 1, now)
        return float(min(RESTART_PAUSE_S * 2 ** min(count, 16), RESTART_PAUSE_MAX_S))


class Openings:
    """Lets `OPENED_PER_SECOND` through, a tenth of them at once; the others wait, by chance longer or shorter."""

    def __init__(self, random: Random) -> None:
        self._random, self._pace = random, Pace(OPENED_PER_SECOND)

    async def wait(self) -> None:
        wait_s = self.wait_s(asyncio.get_running_loop().time())
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def wait_s(self, now_s: float) -> float:
        """How long the one that comes at `now_s` waits."""
        wait_s = self._pace.wait_s(now_s)
        self._pace.take(now_s)
        return wait_s * (0.5 + self._random.random())
