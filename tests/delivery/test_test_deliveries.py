"""Test events on their way out: claimed once, by whoever leases the partition, in time or not at all."""

import json
import random
from collections.abc import Mapping

import pytest

from event_issuer.db.access import Audit
from event_issuer.db.changes import Topic
from event_issuer.db.test_deliveries import KEPT_S, NewTestDelivery, insert
from event_issuer.delivery.attempt import Courier
from event_issuer.delivery.test_deliveries import PRUNE_EVERY_S, UNDER_WAY_MAX, TestDeliverer
from event_issuer.domain.deprecation import Deprecation
from event_issuer.domain.errors import Conflict, NotFound
from event_issuer.domain.json_format import json_format
from event_issuer.domain.marking import marked_event
from event_issuer.domain.subscriptions import TEST_WAIT_S, Status
from tests.delivery.senders import ScriptedSender, answer
from tests.delivery.world import LOG_ID, World

REQUESTS = "SELECT claimed_at_us, attempt_id FROM test_deliveries ORDER BY id"
ATTEMPTS = "SELECT kind, partition_id, log_offset, number, outcome, http_status, error FROM attempts"


async def subscribed(world: World, partition_id: int, **columns: object) -> int:
    id_ = await world.subscribe([partition_id], status=Status.RUNNING)
    await world.alter(id_, **({"verified_at_us": 1} | columns))
    return id_


async def ask(world: World, subscription_id: int, partition_id: int) -> int:
    event = marked_event("test.happened-1.v1", "t1", "https://a.example/1", b'{"n":1.0}', world.clock.now)
    new = NewTestDelivery(subscription_id, 1, partition_id, json_format(event).decode())
    audit = Audit(1, 1, "test", "subscription", subscription_id, {})
    return await world.database.run(insert(world.database.dialect, new, audit, world.clock.now))


class Deliverers:
    """Processes of the test's own; `held` are the partitions that each of them leases."""

    def __init__(self, world: World, sender: ScriptedSender) -> None:
        self._world, self._sender = world, sender
        self.deprecations: dict[int, Deprecation] = {}

    def __call__(self, held: Mapping[int, int]) -> TestDeliverer:
        world, dice = self._world, random.Random(1)
        courier = Courier(self._sender, LOG_ID, world.clock, world.clock.monotonic_s, dice, {})
        return TestDeliverer(
            *(world.database, world.feed, lambda: held, courier, world.activate),
            *(self.deprecations, world.clock, dice),
        )


@pytest.fixture
def deliverers(world: World, sender: ScriptedSender) -> Deliverers:
    return Deliverers(world, sender)


async def test_whoever_leases_the_partition_sends_it_once(
    world: World, sender: ScriptedSender, deliverers: Deliverers
) -> None:
    (partition_id,) = await world.partitions()
    id_ = await subscribed(world, partition_id)
    request_id = await ask(world, id_, partition_id)
    ours, same, another = deliverers({partition_id: 1}), deliverers({partition_id: 2}), deliverers({})
    assert [await one.step() for one in (another, ours, same)] == [0, 1, 1]
    for one in (ours, same):
        await one.idle()
    assert [await one.step() for one in (ours, same)] == [0, 0]
    (sent,) = sender.sent
    assert (sent.event_id, sent.headers["webhook-test"], sent.headers["ce-testevent"]) == ("t1", "true", "true")
    assert sent.headers["webhook-id"] == f"msg_{LOG_ID[:8]}_0_{request_id}"
    assert sent.body == b'{"n":1.0}'
    assert await world.rows(REQUESTS) == [(world.clock.now, 1)]
    assert await world.rows(ATTEMPTS) == [("TEST", None, None, 1, "DELIVERED", 200, None)]


@pytest.mark.parametrize(
    ("mode", "media_type"),
    [("STRUCTURED", "application/cloudevents+json"), ("BATCH", "application/cloudevents-batch+json")],
)
async def test_it_goes_in_the_content_mode_of_the_subscription(
    world: World, sender: ScriptedSender, deliverers: Deliverers, mode: str, media_type: str
) -> None:
    (partition_id,) = await world.partitions()
    await ask(world, await subscribed(world, partition_id, content_mode=mode), partition_id)
    deliverers.deprecations[partition_id] = Deprecation(world.clock.now)
    ours = deliverers({partition_id: 1})
    await ours.step()
    await ours.idle()
    (sent,) = sender.sent
    assert sent.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert sent.headers["webhook-test"] == "true"
    document = json.loads(sent.body)
    (event,) = document if mode == "BATCH" else [document]
    assert (event["id"], event["testevent"], event["deprecated"], event["data"]) == ("t1", "true", "true", {"n": 1.0})


async def test_a_deprecated_type_says_so(world: World, sender: ScriptedSender, deliverers: Deliverers) -> None:
    (partition_id,) = await world.partitions()
    await ask(world, await subscribed(world, partition_id), partition_id)
    deliverers.deprecations[partition_id] = Deprecation(world.clock.now)
    ours = deliverers({partition_id: 1})
    await ours.step()
    await ours.idle()
    assert sender.sent[0].headers["ce-deprecated"] == "true"


async def test_a_failure_is_recorded_and_not_tried_again(
    world: World, sender: ScriptedSender, deliverers: Deliverers
) -> None:
    (partition_id,) = await world.partitions()
    await ask(world, await subscribed(world, partition_id), partition_id)
    sender.script = lambda sent: answer(410)
    ours = deliverers({partition_id: 1})
    assert await ours.step() == 1
    await ours.idle()
    assert await ours.step() == 0
    assert await world.rows(ATTEMPTS) == [("TEST", None, None, 1, "GONE", 410, "The endpoint answered 410.")]
    assert await world.rows("SELECT status FROM subscriptions") == [("RUNNING",)]
    for table in ("parked_events", "subscription_errors"):
        assert await world.rows(f"SELECT id FROM {table}") == []


@pytest.mark.parametrize(
    ("columns", "errors"),
    [
        (
            {"status": "FAILED"},
            [
                "The endpoint has not agreed to receive, or no longer (the subscription is FAILED); "
                "verifyWebhookSubscription asks it."
            ],
        ),
        ({"url": "ftp://a.example/hook"}, ["The URL's scheme is 'ftp'; it must be 'https' or 'http'."]),
        ({"deleted_at_us": 1}, []),
    ],
)
async def test_what_has_changed_since_it_was_asked_for_counts(
    world: World, sender: ScriptedSender, deliverers: Deliverers, columns: dict[str, object], errors: list[str]
) -> None:
    (partition_id,) = await world.partitions()
    id_ = await subscribed(world, partition_id)
    await ask(world, id_, partition_id)
    await world.alter(id_, **columns)
    ours = deliverers({partition_id: 1})
    assert await ours.step() == 1
    await ours.idle()
    found = await world.rows("SELECT kind, outcome, error FROM attempts")
    assert found == [("TEST", "REFUSED", error) for error in errors]
    assert sender.sent == []


async def test_one_that_comes_too_late_is_not_sent(
    world: World, sender: ScriptedSender, deliverers: Deliverers
) -> None:
    (partition_id,) = await world.partitions()
    await ask(world, await subscribed(world, partition_id), partition_id)
    world.clock.advance(TEST_WAIT_S)
    ours = deliverers({partition_id: 1})
    assert await ours.step() == 0
    assert (sender.sent, await world.rows(REQUESTS)) == ([], [(None, None)])


async def test_a_process_that_stops_gives_up_what_is_under_way(
    world: World, sender: ScriptedSender, deliverers: Deliverers
) -> None:
    (partition_id,) = await world.partitions()
    id_ = await subscribed(world, partition_id)
    await ask(world, id_, partition_id)
    sender.hold()
    ours = deliverers({partition_id: 1})
    await ours.step()
    await sender.asked(1)
    await ours.stop()
    await ask(world, id_, partition_id)
    assert await ours.step() == 0
    assert await world.rows(REQUESTS) == [(world.clock.now, None), (None, None)]
    assert await world.rows(ATTEMPTS) == []


async def test_only_so_many_are_under_way(world: World, sender: ScriptedSender, deliverers: Deliverers) -> None:
    (partition_id,) = await world.partitions()
    for _ in range(UNDER_WAY_MAX + 1):
        await ask(world, await subscribed(world, partition_id), partition_id)
    sender.hold()
    ours = deliverers({partition_id: 1})
    assert (await ours.step(), await ours.step()) == (UNDER_WAY_MAX, 0)
    sender.release()
    await ours.idle()
    assert await ours.step() == 1
    await ours.idle()
    assert len(sender.sent) == UNDER_WAY_MAX + 1


async def test_old_requests_are_removed(world: World, deliverers: Deliverers) -> None:
    (partition_id,) = await world.partitions()
    id_ = await subscribed(world, partition_id)
    await ask(world, id_, partition_id)
    world.clock.advance(KEPT_S)
    ours = deliverers({})
    await ours.step()
    assert await world.rows("SELECT id FROM test_deliveries") == [(1,)]
    world.clock.advance(PRUNE_EVERY_S)
    await ours.step()
    assert await world.rows("SELECT id FROM test_deliveries") == []


async def test_asking_announces_itself_and_is_refused_where_the_state_has_changed(world: World) -> None:
    (partition_id,) = await world.partitions()
    id_ = await subscribed(world, partition_id)
    heard: list[tuple[Topic, int]] = []
    world.feed.listen(lambda topic, object_id: heard.append((topic, object_id)))
    await ask(world, id_, partition_id)
    await world.feed.step()
    assert heard == [(Topic.TEST_DELIVERY, 1)]
    (row,) = await world.rows("SELECT event FROM test_deliveries")
    assert json.loads(row[0])["testevent"] == "true"
    await world.alter(id_, verified_at_us=None)
    with pytest.raises(Conflict):
        await ask(world, id_, partition_id)
    await world.alter(id_, deleted_at_us=1)
    with pytest.raises(NotFound):
        await ask(world, id_, partition_id)
    assert await world.rows("SELECT COUNT(*) FROM test_deliveries") == [(1,)]
