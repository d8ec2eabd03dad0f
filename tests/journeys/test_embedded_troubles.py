"""Errors of ``manage.py run``: one line with the problem and the path, and exit code 1."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.checkout import Checkout
from tests.journeys.processes import BIN, bare_environment

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(120)]

# Files of this process and its children cannot grow beyond this size, as on a full disk.
WITH_LIMIT = (
    "import os, resource, sys\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
    "os.execvp(sys.argv[1], sys.argv[1:])\n"
)


def said(checkout: Checkout, *before: str) -> str:
    """Run the command, which must fail, and return the one line that it prints."""
    command = [f"{BIN}/python", "manage.py", "run", "--port", str(checkout.port)]
    ended = subprocess.run(  # noqa: S603 - a command of this project.
        [*before, *command],
        cwd=checkout.root,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    return line


def garbage(var: Path) -> None:
    var.mkdir()
    (var / "db.sqlite3").write_bytes(b"nothing that SQLite knows" * 200)


def a_folder(var: Path) -> None:
    (var / "db.sqlite3").mkdir(parents=True)


def of_another_program(var: Path) -> None:
    var.mkdir()
    other = sqlite3.connect(var / "db.sqlite3")
    other.execute("CREATE TABLE songs (title TEXT)")
    other.close()


def of_another_django(var: Path) -> None:
    var.mkdir()
    other = sqlite3.connect(var / "db.sqlite3")
    other.execute("CREATE TABLE django_migrations (id INTEGER, app TEXT, name TEXT, applied TEXT)")
    other.execute("INSERT INTO django_migrations VALUES (1, 'blog', '0001_initial', '2026-01-01')")
    other.commit()
    other.close()


def no_folder(var: Path) -> None:
    var.write_text("")


def odd_secrets(var: Path) -> None:
    var.mkdir()
    (var / "demo.env").write_bytes(b"\xff\xfe=x\n")


@pytest.mark.parametrize(
    ("spoil", "place", "words"),
    [
        (garbage, "var/db.sqlite3", "file is not a database"),
        (a_folder, "var/db.sqlite3", "unable to open database file"),
        (of_another_program, "var/db.sqlite3", "belongs to another program"),
        (of_another_django, "var/db.sqlite3", "belongs to another program"),
        (no_folder, "var", "File exists"),
        (odd_secrets, "var/demo.env", "not a file of this project"),
    ],
)
def test_files_that_cannot_be_used_are_named_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], place: str, words: str
) -> None:
    checkout = Checkout(tmp_path)
    spoil(checkout.root / "var")
    line = said(checkout)
    assert f"{checkout.root / place} " in line
    assert words in line


def test_the_database_of_another_program_is_not_changed(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    of_another_program(checkout.root / "var")
    said(checkout)
    other = sqlite3.connect(checkout.root / "var" / "db.sqlite3")
    tables = other.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    other.close()
    assert tables == [("songs",)]


def test_a_full_disk_is_named_in_one_line(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    line = said(checkout, sys.executable, "-c", WITH_LIMIT)
    assert f"{checkout.root / 'var/db.sqlite3'} cannot be used" in line
    assert "has the disk room?" in line
