"""What telemetry costs: `python -m bench.counting` prints microseconds per event, attempt and request.

Each row is the best of several loops over the very function that runs in the issuer. The last column is instructions,
where valgrind is installed and `--instructions` asks for them: they do not depend on who else uses the machine.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Final

import structlog
from starlette.types import Message, Receive, Scope, Send

from event_issuer.delivery.attempt import Attempt, AttemptKind
from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.delivery.tally import Tally
from event_issuer.delivery.tracing import hop_of
from event_issuer.domain.events import CloudEvent
from event_issuer.eventlog.protocol import LogRecord
from event_issuer.resolvers.produce import Produced, ProduceStatus, count_results
from event_issuer.telemetry.metrics import Metrics
from event_issuer.telemetry.traces import NO_TRACES
from event_issuer.web.observing import Observed

BATCH: Final = 500
REPEATS: Final = 7
LOOPS: Final = 20
IDS: Final = "0af7651916cd43dd8448eb211c80319cb7ad6b7169203331"
TRACEPARENT: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOW: Final = 1_760_000_000_000_000
SCOPE: Final = {"type": "http", "method": "POST", "headers": [(b"host", b"issuer"), (b"content-type", b"text/plain")]}


def records(**more: str) -> list[LogRecord]:
    given = {"specversion": "1.0", "source": "/bench", "type": "bench.happened.v1"} | more
    return [LogRecord(1, n, NOW, 1, CloudEvent(given | {"id": str(n)}, b"{}")) for n in range(BATCH)]


def settled() -> Callable[[], object]:
    random, tally = Random(1), Tally(Metrics())
    outcome = Outcome(OutcomeKind.DELIVERED, 200)
    kind = AttemptKind.DELIVERY
    attempts = [
        Attempt(1, record, kind, 1, NOW + 1_000, random.randrange(200_000), IDS[:32], outcome) for record in records()
    ]
    return lambda: tally.settled(attempts, {}, 0.01)


def produced() -> Callable[[], object]:
    metrics = Metrics()
    results = [
        Produced(n, ProduceStatus.PERSISTED, record.event, attributes=record.event.attributes)
        for n, record in enumerate(records())
    ]
    return lambda: count_results(metrics, results)


def hops(**more: str) -> Callable[[], object]:
    given = records(**more)

    def run() -> None:
        for record in given:
            hop_of(record, IDS, NO_TRACES).header_lines()

    return run


def requests(is_observed: bool) -> Callable[[], object]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def nothing(message: Message | None = None) -> Message:
        return {}

    face = Observed(app, Metrics()) if is_observed else app

    async def answer() -> None:
        for _ in range(BATCH):
            await face(dict(SCOPE), nothing, nothing)  # type: ignore[arg-type]

    return lambda: asyncio.run(answer())


ROWS: Final[Mapping[str, Callable[[], Callable[[], object]]]] = {
    "settled batch of 500, per attempt": settled,
    "produced batch of 500, per event": produced,
    "trace of an attempt, event without one": hops,
    "trace of an attempt, event with one": lambda: hops(traceparent=TRACEPARENT, tracestate="a=1"),
    "request, bare": lambda: requests(False),
    "request, observed": lambda: requests(True),
}


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(20))  # info: the default level
    if sys.argv[1:2] == ["--loop"]:
        run = ROWS[sys.argv[2]]()
        run()
        for _ in range(int(sys.argv[3])):
            run()
        return
    for title, build in ROWS.items():
        run = build()
        best_s = min(timeit.repeat(run, number=LOOPS, repeat=REPEATS)) / LOOPS / BATCH
        counted = f"{_instructions(title):10,.0f} instructions" if "--instructions" in sys.argv else ""
        print(f"{title:42} {best_s * 1e6:7.3f} µs{counted}")


def _instructions(title: str) -> float:
    """The difference of a long and a short run, so that starting the interpreter does not count."""
    few, many = (_callgrind(title, loops) for loops in (LOOPS, 2 * LOOPS))
    return (many - few) / LOOPS / BATCH


def _callgrind(title: str, loops: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={Path(folder) / 'out'}"]
        program = [sys.executable, "-m", "bench.counting", "--loop", title, str(loops)]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run([*command, *program], env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


if __name__ == "__main__":
    main()
