"""Chaos: deliveries go on while processes are killed and stopped, the database or Kafka restarts, the disk is full.

Each run ends when every endpoint has every event, and says what was lost, repeated and written late. Time passes as it
does: killing every few seconds is the point.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from tests.acceptance.endpoints import FAILED, TAKEN, Endpoints
from tests.api.partners import Partner
from tests.chaos.backbone import Backbone, Written
from tests.chaos.site import LEASE_S, UNSETTLED_MAX, Site
from tests.chaos.watch import Watch

BATCH: Final = 250
SUBSCRIPTIONS: Final = 10  # each of both event types: every event is delivered so often
PARTITIONS: Final = 3
KEYS: Final = 50
TYPES: Final = ("chaos.one.v1", "chaos.two.v1")
FAILING: Final = 0.02  # of the requests, also where nothing else goes wrong: parked events are part of every run
AHEAD: Final = 500  # events that are produced before they are delivered, so that trouble meets producers to the end
ANSWER_S: Final = 20.0
GIVE_UP_S: Final = 15.0  # without a single delivery
STOPS_MAX: Final = 8  # until one finds a process between two transactions
GOES_ON_S: Final = 1.0  # the process that was stopped, until it is stopped again
LEASE_IS_OVER_S: Final = LEASE_S + 2.5  # with the margin of a takeover, and a renewal in between


@dataclass
class Report:
    """`repeats_max` is what the ends of processes account for; a run without them must not repeat anything.

    `twice` events were written twice, of at most `twice_max` that were sent again because nobody could say whether they
    had been written; each of them is delivered twice. `unused` partitions have no event.
    """

    what: str
    deliveries: int
    repeats_max: int = 0
    lost: int = 0
    repeated: int = 0
    failed: int = 0
    out_of_order: int = 0
    regressions: int = 0
    resets: int = 0
    dead_letters: int = 0
    waiting: int = 0
    takeovers: int = 0
    unsettled_lanes: int = 0
    twice: int = 0
    twice_max: int = 0
    unused: int = 0
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)

    def is_good(self) -> bool:
        wrong = (self.lost, self.out_of_order, self.regressions, self.resets, self.dead_letters, self.waiting)
        is_bounded = self.repeated <= self.repeats_max and self.twice <= self.twice_max
        return not any(wrong) and not self.unsettled_lanes and not self.unused and is_bounded

    def line(self) -> str:
        return (
            f"{'good' if self.is_good() else 'WRONG'}: {self.what}: {self.deliveries:,} deliveries in "
            f"{self.seconds:.0f} s; {self.lost} lost, {self.repeated} repeated (bound {self.repeats_max}), "
            f"{self.out_of_order} out of order, {self.regressions} stale writes, {self.resets} budgets reset, "
            f"{self.dead_letters} dead letters, {self.waiting} waiting, {self.unsettled_lanes} lanes unsettled; "
            f"{self.failed} answered 503" + "".join(f"; {remark}" for remark in self.remarks)
        )


class Load:
    """`events` events in batches, sent until they are answered, and the endpoints that want all of them."""

    def __init__(self, site: Site, watch: Watch, endpoints: Endpoints, report: Report, http: httpx.AsyncClient) -> None:
        self.site, self.watch, self.endpoints, self.report = site, watch, endpoints, report
        self.events = report.deliveries // SUBSCRIPTIONS
        self._http = http
        self._may_end = asyncio.Event()
        self._may_end.set()

    async def set_up(self, key: str) -> None:
        partner = Partner(self._http, key, "tester")
        schema = {"type": "object", "required": ["number"], "properties": {"number": {"type": "integer"}}}
        for name in TYPES:
            await partner.create_type(name, schema=schema, partitions=PARTITIONS)
        for endpoint in self.endpoints.all:
            await partner.subscribe(endpoint.url, *TYPES)
        self._headers = {"X-API-Key": key, "Content-Type": "application/cloudevents-batch+json"}

    async def produce(self) -> None:
        for start in range(0, self.events, BATCH):
            if start * 2 >= self.events:
                await self._may_end.wait()
            await self.endpoints.taken(max(0, start - AHEAD) * SUBSCRIPTIONS)
            body = json.dumps([_event(number) for number in range(start, min(start + BATCH, self.events))])
            while not await self._is_taken(body):
                await let_pass(0.05)

    async def _is_taken(self, body: str) -> bool:
        """As a producer whose connection breaks, or who is refused for now: it sends the same again."""
        try:
            answer = await self._http.post("/v1/acme/produce/batch", content=body, headers=self._headers)
        except httpx.ConnectError:
            return False  # it was never sent
        except httpx.TransportError:
            self.report.twice_max += BATCH
            return False
        self.report.twice_max += BATCH if "Possibly" in answer.text else 0
        return answer.status_code == 200 and "NotPersisted" not in answer.text and "Possibly" not in answer.text

    def hold(self) -> None:
        """The second half of the events is produced after `go_on` only."""
        self._may_end.clear()

    def go_on(self) -> None:
        self._may_end.set()

    async def until(self, part: float) -> None:
        """Until this part of all deliveries has come in."""
        await self.endpoints.taken(int(part * self.report.deliveries))

    async def complete(self) -> None:
        """Until each endpoint has each event, or nothing comes any more."""
        wanted = {(f"{_type(number)}/{_key(number)}", number) for number in range(self.events)}
        with suppress(TimeoutError):
            while any(endpoint.missing(wanted) for endpoint in self.endpoints.all):
                self.endpoints.arrived.clear()
                async with asyncio.timeout(GIVE_UP_S):
                    await self.endpoints.arrived.wait()
            async with asyncio.timeout(GIVE_UP_S):  # a repetition may have failed, and is parked
                while await self.watch.waiting():
                    await let_pass(0.1)
        self.report.lost = sum(len(endpoint.missing(wanted)) for endpoint in self.endpoints.all)
        self.report.repeated = sum(endpoint.duplicates for endpoint in self.endpoints.all)
        self.report.failed = sum(endpoint.failed for endpoint in self.endpoints.all)
        self.report.out_of_order = sum(len(endpoint.out_of_order()) for endpoint in self.endpoints.all)


Trouble = Callable[[Load], Awaitable[None]]
Members = Sequence[tuple[str, ...]]

WORKERS: Final = (("serve", "serve", "--workers", "2"),)
APART: Final = (("api", "api"), ("deliver-1", "deliver"), ("deliver-2", "deliver"))
ALONE: Final = (("serve", "serve"),)


async def run(
    what: str,
    database_url: str,
    folder: Path,
    members: Members,
    trouble: Trouble,
    *,
    deliveries: int,
    backbone: Backbone | None = None,
    seed: int = 1,
) -> Report:
    """Raises nothing for what goes wrong: the report has it."""
    report, chance, started_at = Report(what, deliveries), random.Random(seed), time.monotonic()
    site = Site(database_url, folder, backbone.settings() if backbone else {})
    key = await site.run("key", "create", "--tenant", "acme", "--principal", "tester", "--operator")
    watch = await Watch.begin(database_url)
    try:
        async with (
            Endpoints(SUBSCRIPTIONS) as endpoints,
            httpx.AsyncClient(base_url=site.url, timeout=ANSWER_S) as http,
        ):
            for endpoint in endpoints.all:
                endpoint.answer = lambda: FAILED if chance.random() < FAILING else TAKEN
            for name, *arguments in members:
                await site.start(name, *arguments)
            load = Load(site, watch, endpoints, report, http)
            await load.set_up(key)
            producing = asyncio.create_task(load.produce())
            await trouble(load)
            await producing
            await load.complete()
            statuses = await site.stop()
            if any(statuses):
                report.remarks.append(f"exit statuses {statuses}")
            report.regressions, report.resets = await watch.regressions(), await watch.resets()
            report.dead_letters, report.waiting = await watch.dead_letters(), await watch.waiting()
            report.unsettled_lanes = await watch.unsettled_lanes()
            if backbone is not None:
                _compare(load, await backbone.written(TYPES), await watch.lanes())
    finally:
        await site.close()
        await watch.close()
    report.seconds = time.monotonic() - started_at
    return report


def _compare(load: Load, written: Written, lanes: Sequence[tuple[str, int, int]]) -> None:
    """What the endpoints have and where the lanes are, with what is in Kafka, which knows the order best."""
    report = load.report
    report.twice = written.repeats
    report.repeats_max += report.twice * SUBSCRIPTIONS
    report.out_of_order = sum(len(written.out_of_order(endpoint.taken)) for endpoint in load.endpoints.all)
    settled = sum(written.heads.get((type_, number)) == offset for type_, number, offset in lanes)
    report.unsettled_lanes = len(written.heads) * SUBSCRIPTIONS - settled
    report.unused = sum(not head for head in written.heads.values())
    used = len(written.heads) - report.unused
    report.remarks.append(f"{used} of {len(written.heads)} partitions used")
    report.remarks.append(f"{report.twice} events written twice (bound {report.twice_max})")


def killing_workers(kills: int) -> Trouble:
    async def trouble(load: Load) -> None:
        for kill in range(1, kills + 1):
            await load.until(kill / (kills + 1))
            load.site.kill_worker("serve", kill)
            load.report.repeats_max += UNSETTLED_MAX

    return trouble


def killing_apart(kills: int) -> Trouble:
    """Delivering processes and, every third time, the API."""

    async def trouble(load: Load) -> None:
        for kill in range(1, kills + 1):
            await load.until(kill / (kills + 1))
            if kill % 3 == 0:
                await load.site.kill("api")
                await load.site.start("api", "api")
            else:
                await _kill_delivering(load, f"deliver-{kill % 2 + 1}")

    return trouble


def stopping_past_the_lease(stops: int) -> Trouble:
    """What was under way when it stopped is repeated by the other, and perhaps sent once more when it goes on.

    A process that is stopped within a transaction keeps the locks of its leases (with SQLite, the whole file): then
    nobody can take over yet, and it is stopped once more.
    """

    async def trouble(load: Load) -> None:
        for stop in range(1, stops + 1):
            await load.until(stop / (stops + 1))
            member = f"deliver-{stop % 2 + 1}"
            for _ in range(STOPS_MAX):
                if await _is_taken_over(load, member):
                    load.report.takeovers += 1
                    break
        lost = sum(load.site.log(f"deliver-{number}").count("leases lost") for number in (1, 2))
        load.report.remarks.append(f"leases were taken over {load.report.takeovers} times and found lost {lost} times")

    return trouble


async def _is_taken_over(load: Load, member: str) -> bool:
    load.site.pause(member)
    load.report.repeats_max += 2 * UNSETTLED_MAX
    await let_pass(LEASE_IS_OVER_S)
    is_taken_over = await load.watch.holders() == 1
    load.site.resume(member)
    await let_pass(GOES_ON_S)
    return is_taken_over


def flapping(times: int) -> Trouble:
    """Every endpoint is down half of the time."""

    async def trouble(load: Load) -> None:
        usual = [endpoint.answer for endpoint in load.endpoints.all]
        for time_ in range(1, times + 1):
            await load.until(time_ / (times + 1))
            for endpoint in load.endpoints.all:
                endpoint.answer = lambda: FAILED
            await let_pass(0.5)
            for endpoint, answer in zip(load.endpoints.all, usual, strict=True):
                endpoint.answer = answer

    return trouble


def with_a_full_disk(times: int, path: Path) -> Trouble:
    """Nothing can be written for longer than a lease lasts: requests under way are given up when it lapses."""

    async def trouble(load: Load) -> None:
        for time_ in range(1, times + 1):
            await load.until(time_ / (times + 1))
            size_bytes = path.with_name(path.name + "-wal").stat().st_size
            load.site.limit_files(max(size_bytes - size_bytes % 4096, 65_536))
            load.report.repeats_max += UNSETTLED_MAX
            await let_pass(LEASE_IS_OVER_S)
            load.site.limit_files(-1)
        load.report.remarks.append(f"settling failed {load.site.log('serve').count('settling failed')} times")

    return trouble


def restarting_the_database(times: int, restart: Callable[[], None]) -> Trouble:
    async def trouble(load: Load) -> None:
        for time_ in range(1, times + 1):
            await load.until(time_ / (times + 1))
            await asyncio.to_thread(restart)
            load.report.repeats_max += 2 * UNSETTLED_MAX  # leases may lapse meanwhile, in both processes

    return trouble


def all_at_once(backbone: Backbone) -> Trouble:
    """Both delivering processes are killed, one after the other, the brokers take two blows, and somebody adds a
    partition, which the second half of the events finds in use."""

    async def trouble(load: Load) -> None:
        load.hold()
        await load.until(0.1)
        added = await backbone.widen(TYPES[0])
        await load.until(0.2)
        await _kill_delivering(load, "deliver-1")
        await load.until(0.3)
        await backbone.strike(0)
        while await load.watch.partitions(TYPES[0]) == added:
            await let_pass(0.1)
        load.go_on()
        await load.until(0.6)
        await _kill_delivering(load, "deliver-2")
        await load.until(0.75)
        await backbone.strike(1)

    return trouble


async def _kill_delivering(load: Load, member: str) -> None:
    await load.site.kill(member)
    load.report.repeats_max += UNSETTLED_MAX
    await load.site.start(member, "deliver")


async def let_pass(seconds: float) -> None:
    """Real time, in which leases run out."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


def _type(number: int) -> str:
    return TYPES[(number // KEYS) % len(TYPES)]


def _key(number: int) -> str:
    return f"k{number % KEYS}"


def _event(number: int) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "/chaos",
        "type": _type(number),
        "partitionkey": _key(number),
        "data": {"number": number},
    }
