"""The sender against receivers that answer, and that misbehave."""

import asyncio

import pytest

from event_issuer.egress.messages import Failure, FailureKind, Opening, Response
from event_issuer.egress.reader import EXCERPT_BYTES_MAX, RESPONSE_BYTES_MAX
from event_issuer.egress.sender import WebhookSender
from tests.egress.posts import SHORT_S, outgoing
from tests.egress.receiver import OK, Act, Peer, Receivers, answer, answer_and_close, drip, hang, reset


def failed(outcome: Response | Failure) -> tuple[FailureKind, str]:
    assert isinstance(outcome, Failure), outcome
    return outcome.kind, outcome.message


def answered(outcome: Response | Failure) -> tuple[int, bytes]:
    assert isinstance(outcome, Response), outcome
    return outcome.status, outcome.body_excerpt


async def test_what_goes_over_the_wire(receivers: Receivers, sender: WebhookSender) -> None:
    receiver = await receivers(answer(OK))

    await sender.send(outgoing(receiver.url + "?a=b", head=b"X-A: 1\r\nX-B: 2\r\n", body=b'{"c": 3}'))

    assert receiver.requests == [
        b"POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % receiver.port
        + b'X-A: 1\r\nX-B: 2\r\nContent-Length: 8\r\n\r\n{"c": 3}'
    ]


async def test_large_and_empty_bodies_arrive_whole(receivers: Receivers, sender: WebhookSender) -> None:
    receiver = await receivers(answer(OK))
    large = bytes(range(256)) * 8192

    for body in (large, b""):
        assert answered(await sender.send(outgoing(receiver.url, body=body))) == (200, b"ok")

    assert [request.partition(b"\r\n\r\n")[2] for request in receiver.requests] == [large, b""]


@pytest.mark.parametrize(
    ("act", "status", "body"),
    [
        (answer(OK), 200, b"ok"),
        (answer(b"HTTP/1.1 204 No Content\r\n\r\n"), 204, b""),
        (answer(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\n", OK), 200, b"ok"),
        (
            answer(b"HTTP/1.1 200 OK\r\nTransfer-Enc", b"oding: chunked\r\n\r\n2\r\nhi", b"\r\n0\r\n\r\n"),
            200,
            b"hi",
        ),
        (answer(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"), 302, b""),
        (answer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nlost"), 404, b"lost"),
        (answer(b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"), 503, b""),
        (drip(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"), 200, b"slow"),
        (answer_and_close(b"HTTP/1.1 200 OK\r\n\r\nuntil ", b"the end"), 200, b"until the end"),
        (answer_and_close(OK), 200, b"ok"),
    ],
)
async def test_any_final_response_is_returned(
    receivers: Receivers, sender: WebhookSender, act: Act, status: int, body: bytes
) -> None:
    receiver = await receivers(act)

    assert answered(await sender.send(outgoing(receiver.url))) == (status, body)
    assert len(receiver.requests) == 1


async def test_headers_are_read_by_lower_case_name_and_joined(receivers: Receivers, sender: WebhookSender) -> None:
    receiver = await receivers(
        answer(b"HTTP/1.1 429 No\r\nRetry-After: 5\r\nA: \xe9\r\na: 2\r\nContent-Length: 0\r\n\r\n")
    )

    outcome = await sender.send(outgoing(receiver.url))

    assert isinstance(outcome, Response)
    assert outcome.headers == {"retry-after": "5", "a": "é, 2", "content-length": "0"}


async def test_timings_tell_a_new_connection_from_a_kept_one(receivers: Receivers, sender: WebhookSender) -> None:
    receiver = await receivers(answer(OK))

    first = (await sender.send(outgoing(receiver.url))).timings
    second = (await sender.send(outgoing(receiver.url))).timings

    assert first.opening is not None
    assert first.opening.connect_s is not None
    assert first.first_byte_s is not None
    assert first.opening == Opening(connect_s=first.opening.connect_s)  # no name to look up, no TLS
    assert 0 < first.opening.connect_s + first.first_byte_s <= first.total_s
    assert second.opening is None
    assert second.first_byte_s is not None
    assert 0 < second.first_byte_s <= second.total_s
    assert receiver.connections == 1


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (b"", "there was no response within 0.1 s"),
        (b"HTTP/1.1 200 OK\r\nContent-", "the response was not complete within 0.1 s"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "the response was not complete within 0.1 s"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the response was not complete within 0.1 s"),
    ],
)
async def test_a_receiver_that_hangs_meets_the_deadline(
    receivers: Receivers, sender: WebhookSender, first: bytes, message: str
) -> None:
    receiver = await receivers(hang(first))

    outcome = await sender.send(outgoing(receiver.url, timeout_s=SHORT_S))

    assert failed(outcome) == (FailureKind.TIMEOUT, message)
    assert outcome.timings.total_s >= SHORT_S
    await receiver.all_left.wait()
    assert (receiver.connections, len(receiver.requests), sender.pool.open_count) == (1, 1, 0)


async def test_a_receiver_that_drips_meets_the_same_deadline(receivers: Receivers, sender: WebhookSender) -> None:
    receiver = await receivers(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100000))

    outcome = await sender.send(outgoing(receiver.url, timeout_s=SHORT_S))

    assert failed(outcome) == (FailureKind.TIMEOUT, "the response was not complete within 0.1 s")
    await receiver.all_left.wait()


async def test_a_short_deadline_holds_on_a_connection_that_knew_longer_ones(
    receivers: Receivers, sender: WebhookSender
) -> None:
    receiver = await receivers(answer(OK), hang())

    assert answered(await sender.send(outgoing(receiver.url, timeout_s=300))) == (200, b"ok")
    outcome = await sender.send(outgoing(receiver.url, timeout_s=SHORT_S))

    assert failed(outcome) == (FailureKind.TIMEOUT, "there was no response within 0.1 s")
    assert receiver.connections == 1


async def test_a_long_deadline_holds_on_a_connection_that_knew_shorter_ones(
    receivers: Receivers, sender: WebhookSender
) -> None:
    async def late(peer: Peer) -> None:
        await peer.wait(2 * SHORT_S)
        await peer.write(OK)

    receiver = await receivers(answer(OK), late)

    assert answered(await sender.send(outgoing(receiver.url, timeout_s=SHORT_S))) == (200, b"ok")
    assert answered(await sender.send(outgoing(receiver.url))) == (200, b"ok")
    assert receiver.connections == 1


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (reset(), FailureKind.RESET, "the connection was closed before a response came"),
        (answer_and_close(), FailureKind.RESET, "the connection was closed before a response came"),
        (reset(OK[:20]), FailureKind.RESET, "the connection was closed in the middle of the response"),
        (
            answer_and_close(OK[:-1]),
            FailureKind.RESET,
            "the connection was closed in the middle of the response",
        ),
        (
            answer(b"SMTP ready\r\n"),
            FailureKind.PROTOCOL,
            "the response is not HTTP/1.1: Expected HTTP/, RTSP/ or ICE/",
        ),
        (
            answer(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000),
            FailureKind.PROTOCOL,
            "the response has more than 256 headers or 65536 bytes of them",
        ),
    ],
)
async def test_a_broken_response_is_a_failure_and_is_not_asked_for_again(
    receivers: Receivers, sender: WebhookSender, act: Act, kind: FailureKind, message: str
) -> None:
    receiver = await receivers(act)

    assert failed(await sender.send(outgoing(receiver.url))) == (kind, message)
    await receiver.all_left.wait()
    assert (receiver.connections, len(receiver.requests), sender.pool.open_count) == (1, 1, 0)


async def test_of_a_body_of_50_megabytes_a_start_is_read(receivers: Receivers, sender: WebhookSender) -> None:
    written = 0

    async def flood(peer: Peer) -> None:
        nonlocal written
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        while written < 50_000_000 and not peer.transport.is_closing():
            await peer.write(b"a" * 50_000)
            written += 50_000

    receiver = await receivers(flood)

    assert answered(await sender.send(outgoing(receiver.url))) == (200, b"a" * EXCERPT_BYTES_MAX)
    await receiver.all_left.wait()
    # What the sockets' buffers hold comes on top of what is read.
    assert RESPONSE_BYTES_MAX < written < 20_000_000
    assert sender.pool.open_count == 0


async def test_a_response_that_overtakes_its_request_ends_the_connection(
    receivers: Receivers, sender: WebhookSender
) -> None:
    receiver = await receivers(answer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"), eager=True)

    outcome = await sender.send(outgoing(receiver.url, body=b"a" * 50_000_000))

    assert answered(outcome) == (413, b"")
    assert sender.pool.idle_count == 0


async def test_cancelling_closes_the_connection(receivers: Receivers, sender: WebhookSender) -> None:
    receiver = await receivers(answer(OK), hang(), answer(OK))
    assert answered(await sender.send(outgoing(receiver.url))) == (200, b"ok")
    sending = asyncio.create_task(sender.send(outgoing(receiver.url)))
    await receiver.asked(2)

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending

    await receiver.all_left.wait()
    assert (receiver.connections, len(receiver.requests), sender.pool.open_count) == (1, 2, 0)
    assert answered(await sender.send(outgoing(receiver.url))) == (200, b"ok")


async def test_close_ends_idle_and_busy_connections(receivers: Receivers, sender: WebhookSender) -> None:
    receiver = await receivers(answer(OK), hang())
    other = await receivers(answer(OK))
    for url in (receiver.url, other.url):
        assert answered(await sender.send(outgoing(url))) == (200, b"ok")
    sending = asyncio.create_task(sender.send(outgoing(receiver.url)))
    await receiver.asked(2)

    await sender.close()

    assert sender.pool.open_count == 0
    assert failed(await sending)[0] is FailureKind.RESET
    await receiver.all_left.wait()
    await other.all_left.wait()
    assert failed(await sender.send(outgoing(other.url)))[0] is FailureKind.RESET
    assert (len(receiver.requests), len(other.requests)) == (2, 1)


def test_an_outgoing_request_does_not_show_its_secrets() -> None:
    request = outgoing("http://127.0.0.1:9/s3cret", head=b"Authorization: s3cret\r\n", body=b"s3cret")

    assert repr(request) == "Outgoing(http://127.0.0.1:9, 6 bytes, timeout_s=20.0)"
