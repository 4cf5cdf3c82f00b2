"""Windows: stretches of a steady run, each measured on its own; the figure is their median.

A window in which other processes took more than `FOREIGN_MAX` of the machine is dropped and another one is taken, up
to a bound. Knows nothing of what is measured: it is given a counter to read, and the roles whose CPU time is ours.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.cpu import CORES, cpu_by_role, idle_ns

# Of all cores together. An idle machine of this size has about one per cent of its own; the kernel's threads that write
# a database's pages to disk, which nobody can attribute, take as much again.
FOREIGN_MAX: Final = 0.05
NS: Final = 1_000_000_000


@dataclass(frozen=True)
class Plan:
    """How long to look: `windows` clean ones of `window_s`, giving up after `windows_max` in all."""

    warm_up_s: float
    window_s: float
    windows: int
    windows_max: int


QUICK: Final = Plan(warm_up_s=0.3, window_s=0.3, windows=3, windows_max=3)
DEFAULT: Final = Plan(warm_up_s=1.5, window_s=2.0, windows=5, windows_max=8)


@dataclass(frozen=True)
class Snapshot:
    at_ns: int
    idle_ns: int
    cpu_ns: Mapping[str, int]
    done: int
    sampled: int


@dataclass(frozen=True)
class Window:
    """What one window saw: `done` things in `elapsed_s`, the CPU seconds of each role, latencies in microseconds."""

    elapsed_s: float
    done: int
    cpu_s: Mapping[str, float]
    foreign: float
    latencies_us: Sequence[int] = ()

    @property
    def rate(self) -> float:
        return self.done / self.elapsed_s

    @property
    def is_clean(self) -> bool:
        return self.foreign <= FOREIGN_MAX


@dataclass(frozen=True)
class Measured:
    """The windows that count, and how many were dropped. `is_disturbed`: none was clean, the least disturbed counts."""

    windows: Sequence[Window]
    dropped: int = 0
    is_disturbed: bool = False

    @property
    def rate(self) -> float:
        """Things per second."""
        return median(window.rate for window in self.windows)

    @property
    def spread(self) -> float:
        """The distance from the slowest to the fastest window, as a part of the median."""
        rates = [window.rate for window in self.windows]
        return (max(rates) - min(rates)) / self.rate if self.rate else 0.0

    @property
    def foreign(self) -> float:
        return max(window.foreign for window in self.windows)

    def cpu_us_each(self, role: str) -> float:
        """Microseconds of CPU that a role spends on one thing."""
        return median(window.cpu_s[role] * 1e6 / max(window.done, 1) for window in self.windows)

    def cpu_share(self, role: str) -> float:
        """How much of one core a role used: more than 1 where its threads or processes ran side by side."""
        return median(window.cpu_s[role] / window.elapsed_s for window in self.windows)

    def latency_ms(self, part: float) -> float:
        """The median over windows of a percentile; `part` is 0.99 for p99."""
        return median(percentile(window.latencies_us, part) for window in self.windows) / 1e3


def percentile(values: Sequence[int], part: float) -> int:
    """The smallest value that is not below `part` of all (nearest rank). Raises ValueError when there are none."""
    ranked = sorted(values)
    if not ranked:
        raise ValueError("a window without a single latency has no percentiles")
    return ranked[min(len(ranked) - 1, max(0, -int(-part * len(ranked) // 1) - 1))]


@dataclass
class Meter:
    """What to read at both ends of a window."""

    roles: Mapping[str, int]
    done: Callable[[], int]
    sampled: Callable[[], int]
    samples: Callable[[int, int], Sequence[int]]

    def snapshot(self) -> Snapshot:
        return Snapshot(time.monotonic_ns(), idle_ns(), cpu_by_role(self.roles), self.done(), self.sampled())

    def window(self, before: Snapshot, after: Snapshot) -> Window:
        elapsed_ns = after.at_ns - before.at_ns
        cpu_ns = {role: after.cpu_ns[role] - before.cpu_ns[role] for role in self.roles}
        return Window(
            elapsed_s=elapsed_ns / NS,
            done=after.done - before.done,
            cpu_s={role: ns / NS for role, ns in cpu_ns.items()},
            foreign=foreign_share(elapsed_ns, after.idle_ns - before.idle_ns, sum(cpu_ns.values())),
            latencies_us=self.samples(before.sampled, after.sampled),
        )


def foreign_share(elapsed_ns: int, idle_ns: int, own_ns: int, cores: int = CORES) -> float:
    """The part of the machine that was neither idle nor ours."""
    return max(0.0, (elapsed_ns * cores - idle_ns - own_ns) / (elapsed_ns * cores))


def measure(
    plan: Plan, meter: Meter, check: Callable[[], None], sleep: Callable[[float], None] = time.sleep
) -> Measured:
    """Watches a run that is already going. `check` raises when the run has gone wrong."""
    sleep(plan.warm_up_s)
    check()
    seen: list[Window] = []
    while len(seen) < plan.windows_max and sum(window.is_clean for window in seen) < plan.windows:
        before = meter.snapshot()
        sleep(plan.window_s)
        seen.append(meter.window(before, meter.snapshot()))
        check()
    return choose(seen)


def joined(first: Measured, second: Measured) -> Measured:
    """Two looks at the same thing, some time apart, as one."""
    clean = [look for look in (first, second) if not look.is_disturbed] or [first, second]
    windows = [window for look in clean for window in look.windows]
    return Measured(windows, first.dropped + second.dropped, first.is_disturbed and second.is_disturbed)


def choose(seen: Sequence[Window]) -> Measured:
    clean = [window for window in seen if window.is_clean]
    if clean:
        return Measured(clean, dropped=len(seen) - len(clean))
    best = min(seen, key=lambda window: window.foreign)
    return Measured([best], dropped=len(seen) - 1, is_disturbed=True)
