"""Pinned schema versions: what breaks one is settled without an attempt, counted, and judged once for all lanes."""

import pytest

from event_issuer.contracts.versions import Versions
from event_issuer.delivery.pins import Pin, Pins
from event_issuer.delivery.sieve import Sieve
from event_issuer.domain.contracts import Contract
from event_issuer.domain.dataschemas import SchemaUrls
from event_issuer.domain.errors import NotFound
from event_issuer.domain.events import CloudEvent
from event_issuer.eventlog.protocol import LogRecord
from tests.delivery.rig import Rig
from tests.delivery.senders import ScriptedSender, answer
from tests.delivery.world import ORIGIN, World

LANES = "SELECT next_offset, settled_above, filtered_count, last_filtered FROM lanes ORDER BY id"
COUNTS = "SELECT (SELECT COUNT(*) FROM attempts), (SELECT COUNT(*) FROM parked_events)"


class Counting(Contract):
    """Remembers what it judged."""

    def __init__(self, definition: dict[str, object]) -> None:
        super().__init__(definition)
        self.judged: list[object] = []

    def accepts(self, document: object) -> bool:
        self.judged.append(document)
        return super().accepts(document)


def refusing(*numbers: int) -> Counting:
    """A contract that the events with these numbers break; the world numbers them from 1."""
    return Counting({"properties": {"n": {"not": {"enum": list(numbers)}}}})


def record(data: bytes | None, schema_version: int | None = None, **attributes: str) -> LogRecord:
    return LogRecord(3, 12, 0, schema_version, CloudEvent({"type": "t", **attributes}, data))


async def test_what_breaks_the_pinned_version_is_settled_without_an_attempt(
    world: World, rig: Rig, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    id_ = await world.subscribe([partition_id])
    rig.sieves[partition_id] = Sieve(pin=Pin(4, refusing(2, 3, 5)))
    await rig.open(id_)
    await world.produce(partition_id, "a", "a", "b", None, None)
    await rig.settle_down()
    assert sorted(sender.event_ids) == ["e1", "e4"]
    assert await world.rows(LANES) == [(5, "[]", 3, "The event at offset 4 breaks schema version 4.")]
    assert await world.rows(COUNTS) == [(2, 0)]


async def test_a_lane_counts_on_where_it_is_opened_again(world: World, rig: Rig, sender: ScriptedSender) -> None:
    (partition_id,) = await world.partitions()
    id_ = await world.subscribe([partition_id])
    rig.sieves[partition_id] = Sieve(pin=Pin(4, refusing(1, 3)))
    await rig.open(id_)
    await world.produce(partition_id, None, None)
    await rig.settle_down()
    await rig.crash()
    again = Rig(await world.restarted(), sender, "again")
    again.sieves[partition_id] = Sieve(pin=Pin(4, refusing(1, 3)))
    (lane,) = await again.open(id_)
    assert (lane.filtered.count, lane.filtered.last) == (1, "The event at offset 0 breaks schema version 4.")
    await again.world.produce(partition_id, None, None)
    await again.settle_down()
    assert sender.event_ids == ["e2", "e4"]
    assert await world.rows(LANES) == [(4, "[]", 2, "The event at offset 2 breaks schema version 4.")]


async def test_an_event_is_judged_once_for_all_lanes_of_a_version(
    world: World, rig: Rig, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    contract = refusing(1)
    rig.sieves[partition_id] = Sieve(pin=Pin(1, contract))
    ids = [await world.subscribe([partition_id], f"http://127.0.0.1:9/{n}") for n in range(3)]
    await rig.open(*ids)
    await world.produce(partition_id, None, None)
    await rig.settle_down()
    assert sorted(sender.event_ids) == ["e2", "e2", "e2"]
    assert contract.judged == [{"n": 1}, {"n": 2}]
    assert await world.rows(LANES) == [(2, "[]", 1, "The event at offset 0 breaks schema version 1.")] * 3


async def test_a_blocked_key_goes_on_behind_what_is_filtered_out(
    world: World, rig: Rig, sender: ScriptedSender
) -> None:
    (partition_id,) = await world.partitions()
    id_ = await world.subscribe([partition_id])
    rig.sieves[partition_id] = Sieve(pin=Pin(1, refusing(2, 4)))
    sender.script = lambda sent: answer(500) if sent.event_id == "e1" and sent.number == 1 else answer(200)
    await rig.open(id_)
    await world.produce(partition_id, "a", "a", "a", "a", "a")
    await rig.settle_down()
    assert sender.event_ids == ["e1"]
    world.clock.advance(10)
    await rig.settle_down()
    assert sender.event_ids == ["e1", "e1", "e3", "e5"]
    assert await world.rows(LANES) == [(5, "[]", 2, "The event at offset 3 breaks schema version 1.")]


async def test_a_parked_event_is_judged_when_it_is_due(world: World, rig: Rig, sender: ScriptedSender) -> None:
    """Its subscription was pinned after it had failed."""
    (partition_id,) = await world.partitions()
    id_ = await world.subscribe([partition_id])
    sender.script = lambda sent: answer(500) if sent.number == 1 and sent.event_id == "e1" else answer(200)
    await rig.open(id_)
    await world.produce(partition_id, "a", "a")
    await rig.settle_down()
    await rig.crash()
    again = Rig(await world.restarted(), sender, "again")
    again.sieves[partition_id] = Sieve(pin=Pin(7, refusing(1)))
    await again.open(id_)
    world.clock.advance(10)
    await again.settle_down()
    assert sender.event_ids == ["e1", "e2"]
    assert await world.rows(COUNTS) == [(2, 0)]
    assert await world.rows(LANES) == [(2, "[]", 1, "The event at offset 0 breaks schema version 7.")]


async def test_a_page_is_judged_before_it_is_taken() -> None:
    contract = refusing(7)
    pin = Pin(1, contract)
    records = [record(b'{"n": %d}' % n) for n in range(40)]
    await pin.judge(records)
    assert len(contract.judged) == 40
    await pin.judge(records)
    assert [n for n, one in enumerate(records) if not pin.takes(one)] == [7]
    assert len(contract.judged) == 40
    assert records[7].judged == {1: False}


@pytest.mark.parametrize(
    ("one", "taken"),
    [
        (record(b'{"n": 1}'), False),
        (record(b'{"n": 1}', 4), True),  # accepted by this very version
        (record(b'{"n": 1}', 5), False),
        (record(None), True),  # a tombstone
        (record(b"not JSON"), False),
        (record(b"text", datacontenttype="text/plain"), True),
    ],
)
def test_what_a_pin_takes(one: LogRecord, taken: bool) -> None:
    assert Pin(4, refusing(1)).takes(one) is taken


async def test_versions_are_found_by_partition(world: World) -> None:
    first, other = await world.partitions(2), await world.partitions()
    pins = Pins(world.database, Versions(world.feed, SchemaUrls(ORIGIN)))
    found = await pins.of(1, [*first, *other])
    assert set(found) == {*first, *other}
    assert found[first[0]].contract is found[first[1]].contract
    assert found[first[0]].contract is not found[other[0]].contract
    assert await pins.of(None, first) == {}
    assert await pins.of(1, []) == {}
    with pytest.raises(NotFound, match=f"The type of partition {other[0]} has no schema version 2"):
        await pins.of(2, other)
