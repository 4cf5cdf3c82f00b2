"""What a second worker adds: the whole path with one and with two processes of `serve`, in one run.

One worker is measured before and after two, because the machine drifts. Knows nothing of how they share the work.
"""

from collections.abc import Callable
from typing import Final

from bench.limits import Bench, receiving
from bench.performance import Run
from bench.product import issuing, set_up
from bench.stores import Store
from bench.windows import Measured, joined

ONE_1: Final = "whole path, fan-out 1, one worker"
TWO_1: Final = "whole path, fan-out 1, two workers"
ONE_10: Final = "whole path, fan-out 10, one worker"
TWO_10: Final = "whole path, fan-out 10, two workers"

NAMES: Final = {1: {1: ONE_1, 10: ONE_10}, 2: {1: TWO_1, 10: TWO_10}}  # workers → fan-out → name


def measure_workers(
    bench: Bench, store: Store, tell: Callable[[str, Measured], object]
) -> tuple[dict[str, Measured], dict[str, int]]:
    """By name, and the counts of all together; BenchFailed where a delivery is missing or came twice."""
    measured: dict[str, Measured] = {}
    counts = {"accepted": 0, "delivered": 0}
    for turn, workers in enumerate((1, 2, 1), 1):
        serving = issuing(store, workers=workers, purpose=f"issuer-{turn}")
        with receiving(bench, is_timing=True) as receiver, serving as issuer:
            run = Run(bench, store, issuer, receiver, set_up(issuer, receiver.ports, list(NAMES[workers])))
            for fan_out, name in NAMES[workers].items():
                found = run.whole(fan_out)
                measured[name] = joined(measured[name], found) if name in measured else found
                tell(name, found)
            counts["accepted"] += run.accepted
            counts["delivered"] += run.delivered
    return measured, counts
