"""Run programs: with a time limit, with their output in the error, and without a shell."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class CommandError(Exception):
    """A program failed or took too long; the message has its last lines."""


# So many of the last characters of a program's output are shown when it fails.
SHOWN_CHARACTERS = 4000


def say(words: str) -> None:
    """Print a line with the time of day."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {words}\n")
    sys.stdout.flush()


def run(
    *command: str | Path,
    within: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    given: str | None = None,
) -> str:
    """Run a program to its end and return its standard output.

    Args:
        within: The time limit in seconds.
        given: What the program reads from its standard input.

    Raises:
        CommandError: It failed, took too long or is not installed.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(  # noqa: S603 - programs that this package names.
            words,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            input=given,
            stdin=None if given is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"{_shown(words)}: {error}") from error
    if done.returncode:
        said = (done.stdout + done.stderr)[-SHOWN_CHARACTERS:]
        raise CommandError(f"{_shown(words)} ended with {done.returncode}:\n{said}")
    return done.stdout


def succeeds(*command: str | Path, within: float, env: Mapping[str, str] | None = None) -> bool:
    """Return whether a program ends with status 0 within the time limit."""
    try:
        run(*command, within=within, env=env)
    except CommandError:
        return False
    return True


def _shown(words: Sequence[str]) -> str:
    return " ".join(words)[:200]
