"""``make chaos``: inject faults into the real stack and account for everything accepted.

``python -m tests.chaos`` injects all faults, or those whose names follow; ``list`` prints names.
It exits with 1 if anything accepted is unaccounted for or has an ending that its fault does not
allow, if a copy carries another id than the first, if a dead letter could not be delivered after
the fault, or if there are more copies than the fault explains.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos import machine, table
from tests.chaos.environment import Environment
from tests.chaos.faults import FAULTS, NotPossibleError
from tests.chaos.run import BASELINE_SECONDS, RATE_PER_SECOND, Pace, Result, run
from tests.chaos.servers.base import MissingProgramError
from tests.chaos.worktree import NoSuchCommitError

LIST = "list"
SHOWN_COMPLAINTS = 20


def main() -> int:
    """Run what the command line requests; return the exit code."""
    given = _parsed()
    if given.faults == [LIST]:
        _say(table.plain([(name, fault.says) for name, fault in FAULTS.items()], words=(0, 1)))
        return 0
    names = given.faults or list(FAULTS)
    if unknown := sorted(set(names) - set(FAULTS)):
        _say(f"There is no fault called {', '.join(unknown)}. FAULT=list names them.")
        return 2
    # As for Ctrl-C: every started process is ended on exit.
    signal.signal(signal.SIGTERM, _interrupt)
    pace = Pace(baseline=given.baseline, rate=given.rate, seconds=given.seconds)
    try:
        return _all(names, pace, given)
    except (MissingProgramError, NoSuchCommitError) as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        _say("Stopped; nothing is left running.")
        return 130


def _all(names: Sequence[str], pace: Pace, given: argparse.Namespace) -> int:
    results: list[Result] = []
    without_figures: list[tuple[str, str]] = []
    broken: list[str] = []
    _say("Starting PostgreSQL, RabbitMQ, Redis and the stack on ports of their own …")
    with Environment(keep=given.keep, commit=given.commit) as environment:
        if given.keep:
            _say(f"Data and logs stay in {environment.folder}.")
        measured_on = machine.described(environment, commit=environment.commit)
        for name in names:
            _say(f"{time.strftime('%H:%M:%S')} {name}: {FAULTS[name].says}")
            try:
                result = run(environment, FAULTS[name], pace)
            except (NotPossibleError, NoSuchCommitError) as error:
                without_figures.append((name, f"NOT POSSIBLE HERE: {error}"))
                _say(f"  NOT POSSIBLE HERE: {error}")
                continue
            except Exception as error:  # noqa: BLE001 - the faults after it still run.
                broken.append(name)
                without_figures.append((name, f"FAILED: {error}"))
                _say(f"  FAILED: {error}")
                continue
            results.append(result)
            _say(f"  {_summary(result)}\n  {table.window_words([result])}")
            for words in result.complaints[:SHOWN_COMPLAINTS]:
                _say(f"  FAILED: {words}")
    results.sort(key=lambda result: list(FAULTS).index(result.fault.name))
    failed = [*broken, *(result.fault.name for result in results if result.complaints)]
    _report(results, without_figures, measured_on, given)
    _say(f"FAILED: {', '.join(failed)}" if failed else "Everything accepted is accounted for.")
    return 1 if failed else 0


def _report(
    results: Sequence[Result],
    without_figures: Sequence[tuple[str, str]],
    measured_on: str,
    given: argparse.Namespace,
) -> None:
    _say(f"\n{measured_on}\n")
    _say(table.plain([table.HEAD, *(table.cells(result) for result in results)]))
    for name, why in without_figures:
        _say(f"{name}: {why}")
    _say(f"\n{table.window_words(results)}")
    text = table.markdown(results, without_figures=without_figures, machine=measured_on)
    if given.markdown:
        given.markdown.write_text(f"{text}\n")
    if given.write:
        table.write_between_markers(given.write, text)


def _summary(result: Result) -> str:
    values = zip(table.HEAD[1:], table.cells(result)[1:], strict=True)
    return ", ".join(f"{name} {value}" for name, value in values)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("faults", nargs="*", help="names of faults, or list; none means all")
    parser.add_argument("--seconds", type=float, help="how long each fault lasts")
    parser.add_argument("--baseline", type=float, default=BASELINE_SECONDS)
    parser.add_argument("--rate", type=float, default=RATE_PER_SECOND, help="requests a second")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    parser.add_argument("--write", type=Path, help="write it between the markers of a document")
    parser.add_argument("--commit", default="", help="break the stack of another commit instead")
    parser.add_argument("--keep", action="store_true", help="leave data and logs where they are")
    return parser.parse_args()


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
