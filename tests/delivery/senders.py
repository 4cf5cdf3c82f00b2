"""A sender that answers from a script, at once or when told, and remembers what it was asked to send."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from event_issuer.domain.time import Clock, Instant
from event_issuer.egress.messages import Failure, FailureKind, Outgoing, Response, Timings

TIMINGS = Timings(None, 0.0, 0.0)


def answer(status: int, body: bytes = b"") -> Response:
    return Response(status, [], body, TIMINGS)


def failure(kind: FailureKind, message: str) -> Failure:
    return Failure(kind, message, TIMINGS)


OK = answer(200)


class Sent(NamedTuple):
    """One request; `number` counts those for the same event, or the same batch, at the same URL. Of a batch `event_id`
    and `key` are those of its first event."""

    url: str
    event_id: str
    key: str | None
    number: int
    at: Instant
    headers: Mapping[str, str]
    body: bytes
    members: tuple[tuple[str, str | None], ...]

    @property
    def ids(self) -> list[str]:
        """Of all its events."""
        return [event_id for event_id, _ in self.members]


def _members(headers: Mapping[str, str], body: bytes) -> tuple[tuple[str, str | None], ...]:
    """Ids and keys, in whatever content mode they stand."""
    if "ce-id" in headers:
        return ((headers["ce-id"], headers.get("ce-partitionkey")),)
    document = json.loads(body)
    events = document if headers["content-type"].startswith("application/cloudevents-batch+json") else [document]
    return tuple((event["id"], event.get("partitionkey")) for event in events)


Script = Callable[[Sent], Response | Failure]


class ScriptedSender:
    def __init__(self, clock: Clock) -> None:
        self.sent: list[Sent] = []
        self.delivered: list[Sent] = []
        self.in_flight = 0
        self.in_flight_max = 0
        self.script: Script = lambda sent: OK
        self._clock = clock
        self._counts: Counter[tuple[str, tuple[tuple[str, str | None], ...]]] = Counter()
        self._held: tuple[str, ...] = ()
        self._gate = asyncio.Event()
        self._gate.set()
        self._news = asyncio.Event()

    @property
    def event_ids(self) -> list[str]:
        return [sent.event_id for sent in self.sent]

    @property
    def is_held(self) -> bool:
        return not self._gate.is_set()

    def hold(self, *event_ids: str) -> None:
        """Answers nothing until `release`; or nothing about these events."""
        self._held = event_ids
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    async def asked(self, count: int) -> None:
        """Returns when `count` requests have come in."""
        while len(self.sent) < count:
            self._news.clear()
            await self._news.wait()

    async def send(self, request: Outgoing) -> Response | Failure:
        sent = self._note(request)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            if not self._held or not set(sent.ids).isdisjoint(self._held):
                await self._gate.wait()
            outcome = self.script(sent)
        finally:
            self.in_flight -= 1
        if isinstance(outcome, Response) and 200 <= outcome.status < 300:
            self.delivered.append(sent)
        return outcome

    async def close(self) -> None: ...

    def _note(self, request: Outgoing) -> Sent:
        lines = request.head.decode().removesuffix("\r\n").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        url = request.target.origin + request.target.path
        members = _members(headers, request.body)
        self._counts[url, members] += 1
        number = self._counts[url, members]
        sent = Sent(url, *members[0], number, self._clock(), headers, request.body, members)
        self.sent.append(sent)
        self._news.set()
        return sent


def failing(*event_ids: str, status: int = 500, times: int = 10**9) -> Script:
    """These events fail that often, and any batch that has one of them; others, and these afterwards, are delivered."""

    def script(sent: Sent) -> Response:
        return answer(status) if not set(event_ids).isdisjoint(sent.ids) and sent.number <= times else OK

    return script
