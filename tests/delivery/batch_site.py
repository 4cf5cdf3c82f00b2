"""One subscription that gets batches, for the tests of batches that fail."""

from dataclasses import replace

from event_issuer.db.parked import Chosen, Wish, wish
from event_issuer.delivery.lane import Lane
from event_issuer.delivery.sieve import Sieve
from event_issuer.domain.subscriptions import PARKED_MAX, ContentMode
from tests.delivery.rig import Rig
from tests.delivery.senders import ScriptedSender
from tests.delivery.world import SETTINGS, World

BATCHES = replace(SETTINGS, batch_events_max=4, batch_wait_max_s=0.0, max_in_flight=20)
PARKED = "SELECT log_offset, blocks_key, followers_from, attempts, batch_from FROM parked_events ORDER BY log_offset"
DEAD = "SELECT log_offset, attempts, batch_from FROM parked_events WHERE dead_lettered_at_us > 0 ORDER BY log_offset"


class Site:
    """One subscription on one partition, in one process after the other."""

    def __init__(self, world: World, sender: ScriptedSender) -> None:
        self.world, self.sender = world, sender
        self.processes = 0
        self.rig = Rig(world, sender)
        self.partition_id = self.subscription_id = 0

    async def begin(self, *keys: str | None, **more: object) -> list[str]:
        """The ids of its events."""
        (self.partition_id,) = await self.world.partitions()
        ids = await self.world.produce(self.partition_id, *keys)
        given = {"settings": BATCHES, "content_mode": ContentMode.BATCH} | more
        self.subscription_id = await self.world.subscribe([self.partition_id], **given)  # type: ignore[arg-type]
        await self.rig.open(self.subscription_id)
        return ids

    async def restart(self, sieve: Sieve | None = None) -> Lane:
        await self.rig.crash()
        self.processes += 1
        self.rig = Rig(await self.world.restarted(), self.sender, f"next-{self.processes}")
        if sieve is not None:
            self.rig.sieves[self.partition_id] = sieve
        return (await self.rig.open(self.subscription_id))[0]

    async def settle(self, seconds: float = 0) -> None:
        self.world.clock.advance(seconds)
        await self.rig.settle_down()

    async def wish(self, wish_: Wish, *offsets: int) -> int | None:
        """What the owner wants done with events at these offsets."""
        numbers = ", ".join(map(str, offsets))
        rows = await self.world.rows(f"SELECT id FROM parked_events WHERE log_offset IN ({numbers})")
        chosen = Chosen(self.subscription_id, [row[0] for row in rows])
        ((tenant_id,),) = await self.world.rows("SELECT tenant_id FROM subscriptions")
        now = self.world.clock.now
        return await self.world.database.run(
            wish(self.world.database.dialect, tenant_id, 1, wish_, chosen, PARKED_MAX, now)
        )

    @property
    def batches(self) -> list[list[str]]:
        return [sent.ids for sent in self.sender.sent]

    @property
    def names(self) -> list[str]:
        return [sent.headers["webhook-id"] for sent in self.sender.sent]
