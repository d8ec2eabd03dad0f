"""Send signals to a process and all its descendants.

PostgreSQL backends and supervisord programs lead process groups of their own, so a signal to one
group does not reach them.
"""

import os
import signal
from collections import defaultdict
from pathlib import Path


def family(pid: int) -> list[int]:
    """Return a process and its descendants, parents first; empty if it has ended."""
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may contain any characters, so the fields after it are counted.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children[int(fields[1])].append(int(stat.parent.name))
    if not Path(f"/proc/{pid}").exists():
        return []
    found = [pid]
    for one in found:
        found += children[one]
    return found


def signal_family(pid: int, number: signal.Signals) -> None:
    """Signal a process and its descendants, parents first, so that no parent restarts a child."""
    for one in family(pid):
        signal_one(one, number)


def signal_one(pid: int, number: signal.Signals) -> None:
    """Signal a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def kill_family(pid: int) -> None:
    """Kill a process and its descendants; they are stopped first, so that they start no others."""
    members = family(pid)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for one in members:
            signal_one(one, number)
        members += [one for one in family(pid) if one not in members]


def begun_with(variable: str) -> list[int]:
    """Return the processes whose environment contains this ``NAME=value``."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = environ.read_bytes().split(b"\0")
        except OSError:
            continue
        if variable.encode() in variables:
            found.append(int(environ.parent.name))
    return found
