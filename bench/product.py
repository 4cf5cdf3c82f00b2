"""The issuer under measurement: a real server process with event types and subscriptions made through its API.

It runs with its default settings, but for what loopback endpoints need. Its first key comes from the command line, as
an operator's does. Knows nothing of what is measured.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from bench.processes import STOP_WAIT_S, BenchFailed
from bench.stores import Store
from bench.traffic import SCHEMA
from event_issuer.security.sealing import new_sealing_key

PROGRAM: Final = Path(sys.executable).with_name("event-issuer")
TENANT: Final = "bench"
START_WAIT_S: Final = 30.0
RUNNING_WAIT_S: Final = 60.0
POLL_S: Final = 0.05
SET_UP_CALLS: Final = 8  # at a time
# Of each subscription: with 200 endpoints as many requests under way as limit L1 has, and fewer than the issuer's
# connections, which would otherwise be closed and opened all the time.
MAX_IN_FLIGHT: Final = 2

_CREATE_TYPE: Final = "mutation($input: CreateEventTypeInput!) { createEventType(input: $input) { eventType { id } } }"
_SUBSCRIBE: Final = (
    "mutation($input: CreateWebhookSubscriptionInput!) "
    "{ createWebhookSubscription(input: $input) { webhookSubscription { id } } }"
)
_LAGS: Final = (
    "query($after: String) { webhookSubscriptions(first: 100, after: $after) "
    "{ pageInfo { hasNextPage endCursor } edges { node { status lag { events parked } } } } }"
)


class Issuer:
    def __init__(self, process: "subprocess.Popen[bytes]", port: int, key: str, database_url: str) -> None:
        self.process, self.port, self.database_url = process, port, database_url
        self.headers = {"X-API-Key": key}
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=self.headers, timeout=30, trust_env=False
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        if self.process.poll() is not None:
            raise BenchFailed(f"the issuer has ended with status {self.process.returncode}")

    def close(self) -> None:
        self._http.close()

    def is_ready(self) -> bool:
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, query: str, variables: dict[str, object]) -> dict[str, Any]:
        response = self._http.post("/graphql", json={"query": query, "variables": variables})
        answer: dict[str, Any] = response.json()
        if response.status_code != 200 or answer.get("errors"):
            raise BenchFailed(f"the issuer answers {response.status_code}: {response.text[:500]}")
        data: dict[str, Any] = answer["data"]
        return data

    def create_event_type(self, name: str) -> None:
        given = {"name": name, "description": "A train has arrived.", "schema": SCHEMA, "audience": "OPEN"}
        self.ask(_CREATE_TYPE, {"input": given})

    def subscribe(self, event_type: str, port: int) -> None:
        given = {
            "applicationId": f"bench-{port}",
            "eventTypes": [event_type],
            "url": f"http://127.0.0.1:{port}/hook",
            "delivery": {"maxInFlight": MAX_IN_FLIGHT},
        }
        self.ask(_SUBSCRIBE, {"input": given})

    def subscriptions(self) -> Iterator[dict[str, Any]]:
        """Status and lag of each."""
        after, more = None, True
        while more:
            found = self.ask(_LAGS, {"after": after})["webhookSubscriptions"]
            yield from (edge["node"] for edge in found["edges"])
            after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]


@contextmanager
def issuing(
    store: Store, profile: Path | None = None, *, workers: int = 1, purpose: str = "issuer"
) -> Iterator[Issuer]:
    """A server on a fresh database, whose name has the `purpose`. `profile` is where cProfile writes its statistics; it
    slows the server down."""
    port = _free_port()
    environment = _environment(store.settings(purpose), port)
    created = subprocess.run(
        [PROGRAM, "key", "create", "--tenant", TENANT, "--principal", "bench", "--operator"],
        env=environment,
        cwd=store.folder,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=START_WAIT_S,
    )
    profiler = [sys.executable, "-m", "cProfile", "-o", str(profile)] if profile else []
    command = [*profiler, str(PROGRAM), "serve", "--workers", str(workers)]
    with (store.folder / f"issuer-{store.name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=store.folder, stdout=log, stderr=log)
    issuer = Issuer(process, port, created.stdout.strip(), environment["EVENT_ISSUER_DATABASE_URL"])
    try:
        _wait_until("the issuer is ready", issuer.is_ready, issuer, START_WAIT_S)
        yield issuer
    finally:
        issuer.close()
        process.terminate()
        try:
            process.wait(3 * STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def set_up(issuer: Issuer, ports: Sequence[int], fan_outs: Sequence[int]) -> dict[int, list[str]]:
    """For each fan-out as many event types as give every endpoint one subscription, and 20 types for fan-out 0, which
    nobody subscribes to. Returns the names, when every subscription runs."""
    names: dict[int, list[str]] = {}
    subscribing: list[tuple[str, int]] = []
    for fan_out in fan_outs:
        count = len(ports) // fan_out if fan_out else 20
        names[fan_out] = [f"bench.fan-out-{fan_out}.train-arrived-{number}.v1" for number in range(count)]
        if fan_out:
            subscribing += [(names[fan_out][index // fan_out], port) for index, port in enumerate(ports)]
    with ThreadPoolExecutor(SET_UP_CALLS) as pool:
        list(pool.map(issuer.create_event_type, [name for types in names.values() for name in types]))
        list(pool.map(lambda one: issuer.subscribe(*one), subscribing))
    _wait_until(
        "every subscription runs",
        lambda: all(found["status"] == "RUNNING" for found in issuer.subscriptions()),
        issuer,
        RUNNING_WAIT_S,
    )
    return names


def wait_until_settled(issuer: Issuer, timeout_s: float) -> None:
    """Every accepted event is delivered and that is written down, for every subscription."""

    def is_settled() -> bool:
        return all(found["lag"]["events"] == found["lag"]["parked"] == 0 for found in issuer.subscriptions())

    _wait_until("every event is settled", is_settled, issuer, timeout_s)


def _wait_until(what: str, is_so: Callable[[], bool], issuer: Issuer, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        issuer.check()
        if time.monotonic() > deadline:
            raise BenchFailed(f"waited {timeout_s:g} s until {what}")
        time.sleep(POLL_S)


def _environment(settings: dict[str, str], port: int) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EVENT_ISSUER_")}
    own = {
        "EVENT_ISSUER_PORT": str(port),
        "EVENT_ISSUER_METRICS_PORT": "0",  # counted all the same; another issuer here may have the port
        "EVENT_ISSUER_SEALING_KEY": new_sealing_key(),
        "EVENT_ISSUER_HTTP_ALLOWED": "true",
        "EVENT_ISSUER_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
    }
    return inherited | settings | own


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
