"""`make reset` deletes only the data of the embedded mode, and only after a confirmation."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA, OTHERS = {"db.sqlite3", "db.sqlite3-wal", "demo.env"}, {"stack.secret"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "docker").mkdir()
    shutil.copy(ROOT / "docker" / "reset.sh", tmp_path / "docker")
    (tmp_path / "var").mkdir()
    for name in DATA | OTHERS:
        (tmp_path / "var" / name).write_text("kept")
    return tmp_path


@pytest.mark.parametrize(
    ("answer", "remaining"), [("n\n", DATA | OTHERS), ("", DATA | OTHERS), ("y\n", OTHERS)]
)
def test_reset_asks_for_a_confirmation_first(
    checkout: Path, answer: str, remaining: set[str]
) -> None:
    done = subprocess.run(  # noqa: S603 - a script of this project.
        ["/bin/sh", checkout / "docker" / "reset.sh"],
        input=answer,
        capture_output=True,
        text=True,
        check=True,
    )

    assert all(name in done.stdout for name in DATA)
    assert {file.name for file in (checkout / "var").iterdir()} == remaining
