"""CPU time and memory of processes, read from /proc."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.benchmarks.figures import Used
from tests.chaos.family import family

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Kinds of processes, each with the id of its root process.
Groups = Mapping[str, int]


def processor_seconds(pid: int) -> dict[int, float]:
    """Return the CPU seconds of a process and of its descendants, by process id."""
    found: dict[int, float] = {}
    for member in family(pid):
        try:
            # Fields 14 and 15 of proc(5), counted after the name in brackets.
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[member] = (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
    return found


def memory_mb(pid: int) -> float:
    """Return the memory in MB of a process and its descendants; shared pages count in each one."""
    total = 0
    for member in family(pid):
        try:
            lines = Path(f"/proc/{member}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total / 1024


def meter(groups: Groups) -> Callable[[], Used]:
    """Start to measure; the returned function returns the usage since then."""
    before = {name: processor_seconds(pid) for name, pid in groups.items()}
    began = time.monotonic()

    def used() -> Used:
        seconds = time.monotonic() - began
        after = {name: processor_seconds(pid) for name, pid in groups.items()}
        return Used(
            seconds=seconds,
            processor={
                name: sum(now - before[name].get(pid, 0.0) for pid, now in members.items())
                for name, members in after.items()
            },
        )

    return used
