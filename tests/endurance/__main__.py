"""`python -m tests.endurance`: long runs that say what delivery does under load, failure and time.

Each prints what it saw.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Final

from bench import isolation
from bench.stores import KAFKA, STORES
from event_issuer.telemetry.logs import configure_logging
from tests.endurance import order, simulation

RUNS: Final[dict[str, Callable[[str], Coroutine[None, None, bool]]]] = {
    "order": order.run,
    "isolation": isolation.run,
    "dead-endpoint": simulation.dead_endpoint,
    "poison-key": simulation.poison_key,
}
ON_KAFKA: Final = ("order",)  # the others are about the store, or have the time of the embedded log


def main() -> int:
    """0 when everything was as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    parser.add_argument("runs", nargs="*", choices=[[], *RUNS], default=[], metavar="RUN", help=", ".join(RUNS))
    parser.add_argument("--store", choices=[*STORES, KAFKA], action="append")
    options = parser.parse_args()
    configure_logging("error", "console")
    verdicts = [
        asyncio.run(RUNS[name](store), debug=False)
        for store in options.store or STORES
        for name in options.runs or (ON_KAFKA if store == KAFKA else RUNS)
    ]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
