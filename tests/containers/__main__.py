"""``make containers``: run the real compose files and see that they do what the documents say.

Phases: ``first-mail`` (up without any setting, the printed call, a mail and a push), ``faults``
(the broker stops and a worker is killed under load), ``production`` (TLS, backup and restore) and
``upgrade`` (from an earlier commit, with its volumes, under load). It exits with 1 if a check fails
and with 2 if there is no engine. Everything that it starts is gone afterwards.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.containers import faults, first_mail, production, upgrade
from tests.containers.engine import NoEngineError, engine
from tests.containers.images import NoImagesError
from tests.containers.packages import MissingPackageError
from tests.containers.run import Run
from tests.containers.shell import say
from tests.containers.summary import Summary
from tests.journeys.processes import ROOT

CACHE = ROOT / "var" / "containers"
# The limit of a phase in seconds; a phase that takes longer is ended and has failed.
PHASES: dict[str, tuple[Callable[[Run], None], int]] = {
    "first-mail": (first_mail.first_mail, 420),
    "faults": (faults.faults, 300),
    "production": (production.production, 360),
    "upgrade": (upgrade.upgrade, 420),
}


class TooLongError(Exception):
    """A phase reached its limit."""


def main() -> int:
    """Run what the command line requests; return the exit code."""
    given = _parsed()
    # As for Ctrl-C: everything that was started is taken down.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGALRM, _too_long)
    summary = Summary()
    CACHE.mkdir(parents=True, exist_ok=True)
    if given.fresh:
        shutil.rmtree(CACHE / "engine", ignore_errors=True)
    try:
        with ExitStack() as stack:
            _run_all(stack, given, summary)
    except (NoEngineError, NoImagesError, MissingPackageError) as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("Stopped; nothing is left running.")
        return 130
    sys.stdout.write(f"\n{summary.text()}\n")
    return 1 if summary.failed else 0


def _run_all(stack: ExitStack, given: argparse.Namespace, summary: Summary) -> None:
    began = time.monotonic()
    started = stack.enter_context(engine(CACHE))
    say(f"Using {started.said}.")
    summary.said.append(f"engine: {started.said}")
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="containers-")))
    with Run.prepared(started, cache=CACHE, folder=folder, summary=summary) as run:
        for name in given.phases or PHASES:
            _run_phase(name, run)
    summary.said.append(f"in all {time.monotonic() - began:.0f} s")


def _run_phase(name: str, run: Run) -> None:
    phase, limit = PHASES[name]
    say(f"{name} …")
    began = time.monotonic()
    signal.alarm(limit)
    try:
        phase(run)
    except Exception as error:  # noqa: BLE001 - the phases after it still run.
        place = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        run.summary.fail(name, why)
        say(f"  FAILED: {why}")
    finally:
        signal.alarm(0)
    run.summary.add(name, "duration", f"{time.monotonic() - began:.0f} s of at most {limit} s")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.containers", description=__doc__)
    parser.add_argument("phases", nargs="*", choices=[*PHASES, []], help="none means all")
    parser.add_argument("--fresh", action="store_true", help="build all images anew")
    return parser.parse_args()


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _too_long(*_: Any) -> None:
    raise TooLongError("the phase reached its time limit")


if __name__ == "__main__":
    sys.exit(main())
