"""Benchmark for ``make bench``: measure the real stack and its baselines in the same run.

``python -m tests.benchmarks`` runs the default rows. Row names as arguments select rows, and
``list`` only lists them. The exit code is 1 when something is lost, duplicated or refused; for each
aim the table shows whether it was met.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.benchmarks import plot, stored, table, wrk
from tests.benchmarks.audience import PEOPLE
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Line
from tests.benchmarks.machine import described
from tests.benchmarks.pace import Pace
from tests.benchmarks.programs import their_python
from tests.benchmarks.rows import ROWS
from tests.chaos.servers.base import MissingProgramError

LIST = "list"


def main() -> int:
    """Run the rows that the command line names and return the exit code."""
    given = parsed()
    if given.rows == [LIST]:
        _say("\n".join(f"{name:10} {row.says}" for name, row in ROWS.items()))
        return 0
    names = given.rows or [name for name, row in ROWS.items() if row.usual]
    if unknown := sorted(set(names) - set(ROWS)):
        _say(f"There is no row called {', '.join(unknown)}. ROW=list names them.")
        return 2
    # Handle it like Ctrl-C: every process that was started is ended before the program exits.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        wrk.program()
        their_python()
        return _all(names, given)
    except MissingProgramError as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        _say("Stopped; nothing is left running.")
        return 130


def _all(names: Sequence[str], given: argparse.Namespace) -> int:
    pace = pace_of(given)
    lines: list[Line] = []
    _say("Starting PostgreSQL, RabbitMQ, Redis and the sinks on ports of their own …")
    with Bench(keep=given.keep, people=given.people) as bench:
        if given.keep:
            _say(f"Data and logs stay in {bench.folder}.")
        machine = described(bench)
        if given.stored and any(ROWS[name].compares for name in names):
            _say(f"{time.strftime('%H:%M:%S')} storing {given.stored:,} notifications")
            stored.fill(bench, given.stored)
        for name in names:
            _say(f"{time.strftime('%H:%M:%S')} {name}: {ROWS[name].says}")
            found = (
                stored.both(bench, ROWS[name], pace, count=given.stored)
                if given.stored and ROWS[name].compares
                else ROWS[name].measure(bench, pace)
            )
            lines += found
            _say(table.plain(found))
    _report(lines, machine, given, part=part_of(names, stored=given.stored))
    return 1 if any(line.wrong for line in lines) else 0


def pace_of(given: argparse.Namespace) -> Pace:
    """Return the sizes that the command line names."""
    names = {field.name for field in fields(Pace)}
    return Pace(**{name: value for name, value in vars(given).items() if name in names})


def part_of(names: Sequence[str], *, stored: int) -> str:
    """Return the part of the document that a run of these rows replaces."""
    if not any(ROWS[name].compares for name in names):
        return table.LISTS
    if stored:
        return table.STORED
    return table.USUAL if any(ROWS[name].usual for name in names) else table.LONG


def _report(lines: Sequence[Line], machine: str, given: argparse.Namespace, *, part: str) -> None:
    _say(f"\n{machine}\n\n{table.plain(lines)}")
    for words in table.notes(lines):
        _say(words)
    if given.write:
        if part in table.PICTURES:
            given.write.with_name(table.PICTURES[part]).write_text(plot.svg(lines))
        text = table.markdown(lines, machine=machine, part=part)
        table.write_between_markers(given.write, text, part=part)


def parsed() -> argparse.Namespace:
    """Parse the command line."""
    usual = Pace()
    parser = argparse.ArgumentParser(prog="tests.benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", help="names of rows, or list; none means the usual ones")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="of each contender")
    parser.add_argument("--turns", type=int, default=usual.turns, help="of each in a round")
    parser.add_argument(
        "--delivery-turns", type=int, default=usual.delivery_turns, help="of each in a round"
    )
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of a round")
    parser.add_argument(
        "--bulk-rows", type=int, default=usual.bulk_rows, help="of bulk calls of a round"
    )
    parser.add_argument("--mails", type=int, default=usual.mails, help="of a round")
    parser.add_argument("--pushes", type=int, default=usual.pushes, help="of a round")
    parser.add_argument("--calls", type=int, default=usual.calls, help="to SendGrid of a round")
    parser.add_argument("--webhooks", type=int, default=usual.webhooks, help="events of a round")
    parser.add_argument("--uploaded", type=int, default=usual.uploaded, help="rows of the file")
    parser.add_argument("--purged", type=int, default=usual.purged, help="old rows of retention")
    parser.add_argument(
        "--minutes", type=float, default=usual.minutes, help="of the soak and of idle"
    )
    parser.add_argument("--people", type=int, default=PEOPLE, help="users written to in turn")
    parser.add_argument("--alone", action="store_true", help="leave the contenders out")
    parser.add_argument("--stored", type=int, default=0, help="compare with so many rows stored")
    parser.add_argument("--crowd", type=int, default=usual.crowd, help="users of the lists")
    parser.add_argument("--write", type=Path, help="write the table between a document's markers")
    parser.add_argument("--keep", action="store_true", help="leave data and logs where they are")
    return parser.parse_args()


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
