"""The demo's script: contracts, a subscription, the traffic, the verdict. It plays the partner, through the API alone.

What happens is said the moment it happens; only a delivery that outruns the API's answer is held back until the answer
is shown. Knows neither how the issuer is started nor how the terminal looks.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from event_issuer.demo import show, traffic
from event_issuer.demo.client import Client, Subscription
from event_issuer.demo.receiver import Received, Receiver
from event_issuer.demo.show import Style
from event_issuer.demo.tally import Tally
from event_issuer.demo.traffic import Entry

BATCH_EVENTS: Final = 5  # in one mutation: few enough to follow with the eye
PARTITIONS: Final = 4  # trains share them out, each keeps its own order
HANDSHAKE_TIMEOUT_S: Final = 20.0
DELIVERY_TIMEOUT_S: Final = 30.0  # loopback takes milliseconds; a machine that is busy with other things gets time
STATUS_INTERVAL_S: Final = 0.05

Say = Callable[[str], None]


class DemoFailed(Exception):
    """The demo cannot go on; the message is fit for the terminal."""


class Script:
    """`pace_s` is the pause after each batch, so that people can follow."""

    def __init__(self, say: Say, style: Style, pace_s: float, entries: Sequence[Entry]) -> None:
        self._say, self._style, self._pace_s = say, style, pace_s
        self.tally = Tally(entries)
        self._held: list[Received] | None = None  # a list while an answer is awaited
        self._complete = asyncio.Event()

    def on_received(self, received: Received) -> None:
        if self._held is not None:
            self._held.append(received)
            return
        self._say(show.delivered(self._style, self.tally.delivered(received)))
        if self.tally.is_complete:
            self._complete.set()

    async def set_up(self, client: Client, receiver: Receiver) -> None:
        """Creates the event types and the subscription. Raises ApiError, DemoFailed."""
        event_types = traffic.event_types()
        for one in event_types:
            await client.create_event_type(
                name=one.name,
                description=one.description,
                schema=one.schema,
                example=one.example,
                partitions=PARTITIONS,
            )
            self._say(show.step(self._style, "event type", one.name))
        subscription = await client.subscribe(
            applicationId="traffic-screens", eventTypes=[one.name for one in event_types], url=receiver.url
        )
        receiver.secret = subscription.secret
        await self._until_running(client, subscription)
        self._say(show.step(self._style, "subscription", f"to {receiver.url}, which agreed to receive"))

    async def _until_running(self, client: Client, subscription: Subscription) -> None:
        status = "not answering"
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                while True:
                    status, error = await client.status(subscription)
                    if status == "RUNNING":
                        return
                    if status == "FAILED":
                        raise DemoFailed(f"The subscription has failed: {error}")
                    await asyncio.sleep(STATUS_INTERVAL_S)
        except TimeoutError:
            raise DemoFailed(
                f"The subscription is not running after {HANDSHAKE_TIMEOUT_S:g} s; it is {status}."
            ) from None

    async def play(self, client: Client) -> None:
        """Produces the whole file, in order, and waits until all that was accepted is delivered, or for too long."""
        entries = self.tally.entries
        self._say("")
        self._say(show.heading(self._style))
        for start in range(0, len(entries), BATCH_EVENTS):
            await self._produce(client, entries[start : start + BATCH_EVENTS])
            await asyncio.sleep(self._pace_s)
        if not self.tally.is_complete:
            with suppress(TimeoutError):  # the verdict names what is missing
                await asyncio.wait_for(self._complete.wait(), DELIVERY_TIMEOUT_S)

    async def _produce(self, client: Client, batch: Sequence[Entry]) -> None:
        self._held = []
        self.tally.sent(batch, asyncio.get_running_loop().time())
        results = await client.produce([entry.event for entry in batch])
        for entry, result in zip(batch, results, strict=True):
            self.tally.answered(entry, result)
            for line in show.answered(self._style, entry, result):
                self._say(line)
        held, self._held = self._held, None
        for received in held:
            self.on_received(received)


def example_mutation() -> str:
    """A mutation that produces one event, ready to be pasted into GraphiQL."""
    event_type = next(one for one in traffic.event_types() if one.name.endswith(".train-arrived.v1"))
    data = event_type.example
    members = [f"      {name}: {_literal(value)}" for name, value in data.items()] if isinstance(data, dict) else []
    return "\n".join(
        [
            "mutation {",
            '  produceEvents(events: [{specversion: "1.0", id: "my-first-event", source: "/my/program",',
            f'    type: "{event_type.name}", subject: "OSL", partitionkey: "807",',
            "    data: {",
            *members,
            "    }}]) { results { status violations { path rule message } problem { code detail } } }",
            "}",
        ]
    )


def _literal(value: object) -> str:
    """A JSON value as GraphQL writes it: the names of members stand without quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_literal(member)}" for name, member in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
