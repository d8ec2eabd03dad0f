"""Copies of this checkout and of an earlier commit, in folders of their own."""

import shutil
import subprocess
from pathlib import Path

from tests.containers.shell import run
from tests.journeys.processes import ROOT


def copy_of_checkout(place: Path) -> Path:
    """Copy what git knows of this checkout, and what it would add, without ``.env`` and data."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", "-z", within=60, cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return place


def copy_of_commit(commit: str, place: Path) -> Path:
    """Unpack a commit.

    Raises:
        CommandError: The commit is not in this clone.
    """
    place.mkdir(parents=True)
    packed = place.with_suffix(".tar")
    run("git", "archive", "--output", packed, commit, within=120, cwd=ROOT)
    subprocess.run(["tar", "-xf", packed, "-C", place], check=True)  # noqa: S603, S607 - our archive.
    packed.unlink()
    return place
