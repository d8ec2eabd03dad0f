# ruff: noqa: INP001 - a script of `make release`, not a module of the project.
"""Make the commit and the tag of a release: ``docker/release.py 1.2.3 [--date 2026-12-01]``.

Nothing is changed unless the branch is main without changes and CHANGELOG.md says what is new.
Nothing is pushed.
"""

import argparse
import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
# Where the version stands. The files of Compose, Kubernetes and App Platform name the image with
# it; those of other images end differently.
PYPROJECT = re.compile(r'(?m)^(version = ")([^"]+)(")$')
SETTINGS = re.compile(r'(?m)^(VERSION = ")([^"]+)(")$')
IMAGE = re.compile(
    r"(\bimage: [\"']?notifications:|- name: notifications\n(?: +newName: .*\n)? +newTag: [\"']?"
    r"|\brepository: notifications\n +tag: [\"']?)"
    r"([0-9][\w.]*)()"
)
SETTINGS_FILE = "notifications_project/settings/api.py"
CHANGELOG = "CHANGELOG.md"
UNRELEASED = "## Unreleased\n"


class NotReleasedError(Exception):
    """A release is not possible; the message says why."""


def git(*words: str) -> str:
    """Run git in the project and return what it printed."""
    command = ["git", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise NotReleasedError(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def places() -> dict[str, re.Pattern[str]]:
    """Return the files that have the version, each with the pattern that finds it."""
    names = git("ls-files", "-z", "--", "*.yml", "*.yaml").split("\0")
    images = {name: IMAGE for name in names if name and IMAGE.search((ROOT / name).read_text())}
    return {"pyproject.toml": PYPROJECT, SETTINGS_FILE: SETTINGS, **images}


def current_version() -> str:
    """Return the version of the project."""
    match = PYPROJECT.search((ROOT / "pyproject.toml").read_text())
    if match is None:
        raise NotReleasedError("pyproject.toml has no version.")
    return match[2]


def numbers(version: str) -> tuple[int, ...]:
    """Return the parts of a version, which compare as versions do."""
    return tuple(int(part) for part in version.split("."))


def refuse_what_cannot_be_released(version: str) -> None:
    """Raise unless this version can be released from what is checked out here."""
    if not VERSION.fullmatch(version):
        raise NotReleasedError(f"{version!r} is not a version such as 1.2.3.")
    if numbers(version) < numbers(current_version()):
        raise NotReleasedError(f"{version} is older than {current_version()}.")
    if (branch := git("branch", "--show-current")) != "main":
        raise NotReleasedError(
            f"the branch is {branch or 'none'}, and releases are made from main."
        )
    if changes := git("status", "--porcelain"):
        raise NotReleasedError(f"there are changes that are not committed:\n{changes}")
    if git("tag", "--list", f"v{version}"):
        raise NotReleasedError(f"the tag v{version} exists.")


def released_changelog(text: str, version: str, date: dt.date) -> str:
    """Return the changelog with what was unreleased below the version and the date."""
    before, heading, after = text.partition(UNRELEASED)
    if not heading or (before and not before.endswith("\n")):
        raise NotReleasedError(f"{CHANGELOG} has no section {UNRELEASED.strip()!r}.")
    news, _, _ = after.partition("\n## ")
    if not news.strip():
        raise NotReleasedError(f"{CHANGELOG} says nothing under {UNRELEASED.strip()!r}.")
    return f"{before}{heading}\n## {version} - {date.isoformat()}\n{after}"


def release(version: str, date: dt.date) -> None:
    """Write the version everywhere, commit and tag."""
    refuse_what_cannot_be_released(version)
    written = {CHANGELOG: released_changelog((ROOT / CHANGELOG).read_text(), version, date)}
    for name, pattern in places().items():
        text = (ROOT / name).read_text()
        written[name] = pattern.sub(rf"\g<1>{version}\g<3>", text)
    for name, text in written.items():
        (ROOT / name).write_text(text)
    git("add", "--", *written)
    git("commit", "--quiet", "--message", f"Release {version}")
    git("tag", "--annotate", f"v{version}", "--message", f"Version {version}")


def main() -> None:
    """Read the arguments, and say in one line why there is no release."""
    parser = argparse.ArgumentParser(description="Make the commit and the tag of a release.")
    parser.add_argument("version", help="such as 1.2.3")
    parser.add_argument(
        "--date",
        type=dt.date.fromisoformat,
        default=dt.datetime.now(tz=dt.UTC).date(),
        help="the date in the changelog, today (UTC) by default",
    )
    given = parser.parse_args()
    try:
        release(given.version, given.date)
    except NotReleasedError as error:
        sys.exit(f"Not released: {error}")
    sys.stdout.write(
        f"The commit and the tag v{given.version} are made. This starts the workflow `release`:\n"
        f"\n  git push --atomic origin main v{given.version}\n"
    )


if __name__ == "__main__":
    main()
