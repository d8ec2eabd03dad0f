"""A worktree of another commit, with the packages of this one."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.journeys.processes import BIN, ROOT

# The release from which upgrades are tested.
BEFORE = "06cbf96"


class NoSuchCommitError(Exception):
    """Git is not available here, or does not know the commit."""


@contextmanager
def worktree(commit: str, folder: Path) -> Iterator[Path]:
    """Check out a commit into a folder that does not exist yet, and remove it afterwards.

    Raises:
        NoSuchCommitError: The commit is not available here.
    """
    # Removes what an earlier run left behind when it was killed.
    _git("worktree", "prune")
    _git("worktree", "add", "--detach", "--quiet", str(folder), commit)
    try:
        (folder / ".venv").symlink_to(BIN.parent)
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*words: str) -> None:
    try:
        subprocess.run(  # noqa: S603 - this checkout.
            ["git", *words],  # noqa: S607 - found on the PATH.
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        words_of_git = getattr(error, "stderr", "") or str(error)
        message = (
            "An earlier commit is needed, and git does not give it "
            f"(git fetch --unshallow gets it): git {' '.join(words)}: {words_of_git.strip()}"
        )
        raise NoSuchCommitError(message) from error
