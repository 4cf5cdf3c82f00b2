"""What the product does of what the limits allow: the same load through a real server, from the call to the receipt."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.calling import Load
from bench.counters import DONE
from bench.limits import BATCH_CONNECTIONS, SINGLE_CONNECTIONS, Bench, Receiver, receiving
from bench.processes import BenchFailed, Child
from bench.product import TENANT, Issuer, issuing, set_up, wait_until_settled
from bench.stores import Store
from bench.traffic import BATCH_EVENTS
from bench.windows import Measured

WHOLE_1: Final = "whole path, fan-out 1"
WHOLE_10: Final = "whole path, fan-out 10"
SINGLE: Final = "single mutation, durable"
BATCH: Final = "batch mutation, validated"
HTTP_BATCH: Final = "batch over HTTP, validated"
LATENCY_1: Final = "call to receipt, single events"
LATENCY_10: Final = "call to receipt, batches of 10"

FAN_OUTS: Final = (1, 10, 0)
OUTSTANDING_MAX: Final = 4_000  # events accepted and not yet received: deep enough that delivery never waits for them
LATENCY_EVENTS_PER_S: Final = 1_000
LATENCY_CONNECTIONS: Final = 64  # more than are ever busy: the load does not wait for answers
DRAIN_WAIT_S: Final = 30.0


@dataclass
class Run:
    """A server with its subscriptions; how many events it has accepted, and how many deliveries followed from them."""

    bench: Bench
    store: Store
    issuer: Issuer
    receiver: Receiver
    types: dict[int, list[str]]
    accepted: int = 0
    delivered: int = 0

    def whole(self, fan_out: int) -> Measured:
        """From a batch mutation to the receipts."""
        return self.produce(fan_out, events=BATCH_EVENTS, connections=BATCH_CONNECTIONS)

    def produce(
        self, fan_out: int, *, events: int, connections: int, rate: float | None = None, is_graphql: bool = True
    ) -> Measured:
        """Calls until enough windows were seen, then waits until everything that was accepted is settled.

        What is counted is deliveries; calls where nobody subscribes. Raises BenchFailed when a delivery is missing.
        """
        counters = self.bench.counters()
        if is_graphql:
            expected, count = f'"persisted":{events}' if events else '"status":"PERSISTED"', 1
        else:
            expected, count = '"persistenceStatus":"Persisted"', events
        load = Load(
            host="127.0.0.1",
            port=self.issuer.port,
            path="/graphql" if is_graphql else f"/v1/{TENANT}/produce/batch",
            headers=self.issuer.headers,
            types=self.types[fan_out],
            first=self.accepted,
            events=events,
            connections=connections,
            expected=expected,
            counters=str(counters.path),
            calls_per_s=rate,
            receiver=str(self.receiver.counters.path) if fan_out and rate is None else None,
            received_before=self.delivered,
            fan_out=fan_out or 1,
            outstanding_max=OUTSTANDING_MAX,
            expected_count=count,
            is_graphql=is_graphql,
        )
        with Child("bench.calling", asdict(load)) as generator:
            roles = {"server": self.issuer.pid, "load": generator.pid, "receiver": self.receiver.child.pid}
            if self.store.pid:
                roles["database"] = self.store.pid
            checks = [self.issuer.check, generator.check, self.receiver.child.check]
            measured = self.bench.watch(roles, checks, counters, self.receiver.counters if fan_out else None)
        self.accepted += counters.words[DONE]
        self._drain(counters.words[DONE] * fan_out)
        return measured

    def _drain(self, expected: int) -> None:
        self.delivered += expected
        deadline = time.monotonic() + DRAIN_WAIT_S
        while self.receiver.counters.words[DONE] < self.delivered and time.monotonic() < deadline:
            time.sleep(0.02)
        wait_until_settled(self.issuer, DRAIN_WAIT_S)
        received = self.receiver.counters.words[DONE]
        if received != self.delivered:
            raise BenchFailed(f"{self.delivered} deliveries were due, the receiver got {received}")


def measure_product(
    bench: Bench, store: Store, tell: Callable[[str, Measured], object], profile: Path | None = None
) -> tuple[dict[str, Measured], dict[str, int]]:
    """Every measurement of the product on one store, by name, and the counts of all of them together.

    As many deliveries arrived as follow from what was accepted, neither fewer nor more; else BenchFailed.
    """
    measured: dict[str, Measured] = {}
    with receiving(bench, is_timing=True) as receiver, issuing(store, profile) as issuer:
        run = Run(bench, store, issuer, receiver, set_up(issuer, receiver.ports, FAN_OUTS))
        for name, fan_out, events, connections, rate in (
            (WHOLE_1, 1, BATCH_EVENTS, BATCH_CONNECTIONS, None),
            (WHOLE_10, 10, BATCH_EVENTS, BATCH_CONNECTIONS, None),
            (SINGLE, 0, 0, SINGLE_CONNECTIONS, None),
            (BATCH, 0, BATCH_EVENTS, BATCH_CONNECTIONS, None),
            (HTTP_BATCH, 0, BATCH_EVENTS, BATCH_CONNECTIONS, None),
            (LATENCY_1, 1, 0, LATENCY_CONNECTIONS, LATENCY_EVENTS_PER_S),
            (LATENCY_10, 1, 10, LATENCY_CONNECTIONS, LATENCY_EVENTS_PER_S / 10),
        ):
            measured[name] = run.produce(
                fan_out, events=events, connections=connections, rate=rate, is_graphql=name != HTTP_BATCH
            )
            tell(name, measured[name])
    return measured, {"accepted": run.accepted, "delivered": run.delivered}
