"""The handshake: CloudEvents HTTP 1.1 Web Hooks 1.0.2 §4, against real endpoints on loopback."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from event_issuer.delivery.handshake import CLAIM_S, RETRY_DELAYS_S, TIMEOUT_S, Handshaker, objection_to
from event_issuer.domain.credentials import ApiKeyHeader, Credentials
from event_issuer.domain.subscriptions import Status, Verification
from event_issuer.domain.time import SECOND_US
from event_issuer.egress.control import ControlClient, ControlResponse
from event_issuer.egress.messages import Failure, FailureKind, Timings
from tests.delivery.processes import Process
from tests.delivery.rig import until_idle
from tests.delivery.senders import ScriptedSender
from tests.delivery.world import LOOPBACK, ORIGIN, World
from tests.egress.names import Names
from tests.egress.receiver import Receivers, answer, hang, reset

STATE = "SELECT status, verification_attempts, verify_at_us, verified_at_us FROM subscriptions ORDER BY id"
ERRORS = "SELECT message, http_status FROM subscription_errors ORDER BY id"
RIGHT = f"it agrees with a 2xx status and WebHook-Allowed-Origin: {ORIGIN} (or *)."


def agreement(allowed: str = ORIGIN, status: str = "200 OK") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nAllow: POST, OPTIONS\r\nWebHook-Allowed-Origin: {allowed}\r\n"
        "WebHook-Allowed-Rate: 100\r\nContent-Length: 0\r\n\r\n"
    ).encode()


@pytest.fixture
async def control() -> AsyncIterator[ControlClient]:
    control = ControlClient(LOOPBACK, Names())
    yield control
    await control.close()


@pytest.fixture
async def handshaker(world: World, control: ControlClient) -> AsyncIterator[Handshaker]:
    handshaker = Handshaker(world.database, world.feed, control, ORIGIN, world.clock, random.Random(5))
    yield handshaker
    await handshaker.stop()


async def verify(handshaker: Handshaker) -> int:
    begun = await handshaker.step()
    await handshaker.idle()
    return begun


async def test_an_endpoint_that_agrees_starts_its_subscription(
    world: World, handshaker: Handshaker, receivers: Receivers
) -> None:
    """The request names us and carries no secret."""
    receiver = await receivers(answer(agreement()))
    credentials = Credentials(api_key=ApiKeyHeader("X-Api-Key", "hidden"))
    partition_ids = await world.partitions()
    await world.subscribe(partition_ids, receiver.url, status=Status.INITIALIZING, credentials=credentials)

    assert await verify(handshaker) == 1
    assert await world.rows(STATE) == [("STARTING", 1, None, world.clock.now)]
    assert await world.rows(ERRORS) == []
    (request,) = receiver.requests
    lines = request.decode().lower().split("\r\n")
    assert lines[0] == "options /hook http/1.1"
    assert f"webhook-request-origin: {ORIGIN}" in lines
    assert b"hidden" not in request
    assert b"authorization" not in request.lower()
    assert await verify(handshaker) == 0


async def test_an_endpoint_that_does_not_agree_is_asked_again_and_then_failed(
    world: World, handshaker: Handshaker, receivers: Receivers
) -> None:
    receiver = await receivers(answer(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"))
    await world.subscribe(await world.partitions(), receiver.url, status=Status.INITIALIZING)

    error = (f"The endpoint answered OPTIONS with 405; {RIGHT}", 405)
    for number, delay_s in enumerate(RETRY_DELAYS_S, 1):
        assert await verify(handshaker) == 1
        due_at = world.clock.now + delay_s * SECOND_US
        assert await world.rows(STATE) == [("INITIALIZING", number, due_at, None)]
        assert await world.rows(ERRORS) == [error] * number
        world.clock.now = due_at - 1
        assert await verify(handshaker) == 0
        world.clock.now = due_at
    assert await verify(handshaker) == 1
    assert await world.rows(STATE) == [("FAILED", len(RETRY_DELAYS_S) + 1, None, None)]
    assert await world.rows(ERRORS) == [error] * (len(RETRY_DELAYS_S) + 1)
    assert len(receiver.requests) == len(RETRY_DELAYS_S) + 1
    world.clock.advance(10**6)
    assert await verify(handshaker) == 0


async def test_an_endpoint_that_agrees_later_starts(world: World, handshaker: Handshaker, receivers: Receivers) -> None:
    receiver = await receivers(reset(), answer(agreement("*")))
    await world.subscribe(await world.partitions(), receiver.url, status=Status.INITIALIZING)
    await verify(handshaker)
    assert await world.rows(ERRORS) == [
        (
            "The endpoint did not answer OPTIONS: RESET: the connection was closed before the response was complete.",
            None,
        )
    ]
    world.clock.advance(RETRY_DELAYS_S[0])
    await verify(handshaker)
    assert await world.rows(STATE) == [("STARTING", 2, None, world.clock.now)]


async def test_without_verification_nothing_is_asked(
    world: World, handshaker: Handshaker, receivers: Receivers
) -> None:
    receiver = await receivers(answer(agreement()))
    await world.subscribe(
        await world.partitions(), receiver.url, status=Status.INITIALIZING, verification=Verification.NONE
    )
    assert await verify(handshaker) == 1
    assert await world.rows(STATE) == [("STARTING", 1, None, world.clock.now)]
    assert receiver.requests == []


async def test_two_processes_do_not_ask_at_the_same_time(
    world: World, handshaker: Handshaker, control: ControlClient, receivers: Receivers
) -> None:
    """After a crash of the one that asked, another one asks again."""
    receiver = await receivers(hang(), answer(agreement()))
    await world.subscribe(await world.partitions(), receiver.url, status=Status.INITIALIZING)
    other = Handshaker(world.database, world.feed, control, ORIGIN, world.clock, random.Random(6))
    assert await handshaker.step() == 1
    await receiver.asked(1)
    assert await other.step() == 0
    await handshaker.stop()
    assert await world.rows(STATE) == [("INITIALIZING", 1, world.clock.now + CLAIM_S * SECOND_US, None)]

    world.clock.advance(CLAIM_S)
    assert await verify(other) == 1
    assert await world.rows(STATE) == [("STARTING", 2, None, world.clock.now)]


async def test_an_endpoint_that_hangs_holds_up_no_other(
    world: World, handshaker: Handshaker, receivers: Receivers
) -> None:
    hanging, willing = await receivers(hang()), await receivers(answer(agreement()))
    partition_ids = await world.partitions()
    await world.subscribe(partition_ids, hanging.url, status=Status.INITIALIZING)
    assert await handshaker.step() == 1
    await hanging.asked(1)
    await world.subscribe(partition_ids, willing.url, status=Status.INITIALIZING)
    assert await handshaker.step() == 1
    while (await world.rows(STATE))[1][0] != "STARTING":
        await until_idle()


async def test_a_new_url_makes_the_finding_about_the_old_one_worthless(
    world: World, handshaker: Handshaker, receivers: Receivers
) -> None:
    old, new = await receivers(hang()), await receivers(answer(agreement("someone.else")))
    subscription_id = await world.subscribe(await world.partitions(), old.url, status=Status.INITIALIZING)
    await handshaker.step()
    await old.asked(1)
    await world.alter(
        subscription_id, url=new.url, verify_at_us=world.clock.now, verification_attempts=0, settings_version=2
    )
    await old.hang_up()
    await handshaker.idle()
    assert await world.rows(STATE) == [("INITIALIZING", 0, world.clock.now, None)]
    assert await world.rows(ERRORS) == []
    await verify(handshaker)
    assert await world.rows(ERRORS) == [
        (f"The endpoint answered OPTIONS with WebHook-Allowed-Origin: 'someone.else'; {RIGHT}", 200)
    ]


@pytest.mark.parametrize("change", [{"status": "STOPPED", "verify_at_us": None}, {"deleted_at_us": 1}])
async def test_a_subscription_that_was_stopped_meanwhile_stays_so(
    world: World, handshaker: Handshaker, receivers: Receivers, change: dict[str, object]
) -> None:
    receiver = await receivers(hang())
    subscription_id = await world.subscribe(await world.partitions(), receiver.url, status=Status.INITIALIZING)
    await handshaker.step()
    await receiver.asked(1)
    await world.alter(subscription_id, **change)
    await receiver.hang_up()
    await handshaker.idle()
    assert await world.rows("SELECT status FROM subscriptions") == [(change.get("status", "INITIALIZING"),)]
    assert await world.rows(ERRORS) == []
    world.clock.advance(CLAIM_S)
    assert await verify(handshaker) == 0


async def test_no_event_is_sent_before_the_endpoint_has_agreed(
    world: World, sender: ScriptedSender, handshaker: Handshaker, control: ControlClient, receivers: Receivers
) -> None:
    receiver = await receivers(hang(), answer(agreement()))
    (partition_id,) = await world.partitions()
    ids = await world.produce(partition_id, "a")
    await world.subscribe([partition_id], receiver.url, status=Status.INITIALIZING)
    process = Process(world, sender)
    await handshaker.step()
    await receiver.asked(1)
    await process.step()
    await until_idle()
    assert sender.sent == []

    await handshaker.stop()
    world.clock.advance(CLAIM_S)
    assert await verify(handshaker) == 0  # it has stopped
    again = Handshaker(world.database, world.feed, control, ORIGIN, world.clock, random.Random(6))
    assert await verify(again) == 1
    await process.step()
    await sender.asked(1)
    assert sender.event_ids == ids
    await process.engine.stop(1.0)


async def test_a_new_subscription_is_verified_at_once(
    world: World, handshaker: Handshaker, receivers: Receivers
) -> None:
    receiver = await receivers(answer(agreement()))
    running = asyncio.create_task(handshaker.run())
    await until_idle()
    await world.subscribe(await world.partitions(), receiver.url, status=Status.INITIALIZING)
    await world.feed.step()
    await receiver.asked(1)
    while (await world.rows(STATE))[0][0] != "STARTING":
        await until_idle()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def response(status: int, **headers: str) -> ControlResponse:
    return ControlResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


@pytest.mark.parametrize("status", [200, 204, 299])
@pytest.mark.parametrize("allowed", ["*", ORIGIN, ORIGIN.upper(), f" {ORIGIN} "])
def test_agreement(status: int, allowed: str) -> None:
    assert objection_to(response(status, webhook_allowed_origin=allowed, webhook_allowed_rate="1"), ORIGIN) is None


@pytest.mark.parametrize(
    ("answer", "objection"),
    [
        (response(301, webhook_allowed_origin="*"), f"The endpoint answered OPTIONS with 301; {RIGHT}"),
        (response(500), f"The endpoint answered OPTIONS with 500; {RIGHT}"),
        (response(200), f"The endpoint answered OPTIONS with 200 but without WebHook-Allowed-Origin; {RIGHT}"),
        (
            response(200, webhook_allowed_origin="https://" + ORIGIN),
            f"The endpoint answered OPTIONS with WebHook-Allowed-Origin: 'https://{ORIGIN}'; {RIGHT}",
        ),
        (
            response(200, webhook_allowed_origin=f"*, {ORIGIN}"),
            f"The endpoint answered OPTIONS with WebHook-Allowed-Origin: '*, {ORIGIN}'; {RIGHT}",
        ),
        (
            Failure(FailureKind.DNS, "x.example was not found: no address", Timings(None, None, 0.0)),
            "The endpoint did not answer OPTIONS: DNS: x.example was not found: no address.",
        ),
    ],
)
def test_objections(answer: ControlResponse | Failure, objection: str) -> None:
    assert objection_to(answer, ORIGIN) == objection


def test_a_claim_lasts_longer_than_a_handshake() -> None:
    assert CLAIM_S > TIMEOUT_S
