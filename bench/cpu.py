"""CPU time: of processes by the role they play, and of the whole machine. Linux only.

What the machine was busy beyond our own processes was taken by others. Knows nothing of windows.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CORES: Final = os.cpu_count() or 1
_TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_CPUCLOCK_SCHED: Final = 2  # clock_getcpuclockid(3): the clock of all threads of a process, those that ended included


def process_cpu_ns(pid: int) -> int:
    """User and system time of a process, to the nanosecond; 0 if it has gone."""
    try:
        return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return 0


def idle_ns() -> int:
    """How long the cores were idle, all together, since the machine started.

    Idle time is measured, busy time is sampled by the clock tick: so busy is what is not idle.
    """
    with open("/proc/stat", encoding="ascii") as file:
        fields = file.readline().split()
    return (int(fields[4]) + int(fields[5])) * _TICK_NS  # idle, and idle while a disk works


def cpu_by_role(roles: Mapping[str, int]) -> dict[str, int]:
    """Nanoseconds by role; a role is a process and its descendants that play no role of their own."""
    children = _children()
    taken = set(roles.values())
    return {role: sum(map(process_cpu_ns, _family(pid, children, taken))) for role, pid in roles.items()}


def _family(pid: int, children: Mapping[int, list[int]], taken: set[int]) -> list[int]:
    family = [pid]
    for member in family:
        family.extend(child for child in children.get(member, ()) if child not in taken)
    return family


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:  # it has just ended
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    return children
