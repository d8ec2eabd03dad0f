"""What ``make containers`` needs no engine for: its table, its limits, the images of the files."""

from pathlib import Path

from tests.containers.__main__ import PHASES
from tests.containers.checkouts import copy_of_checkout
from tests.containers.images import STAND_INS, TARGETS, named_images
from tests.containers.run import COMPOSE, PRODUCTION, python_image
from tests.containers.summary import Summary
from tests.journeys.processes import ROOT

LONGEST_SECONDS = 25 * 60


def test_all_phases_together_end_within_the_limit() -> None:
    assert sum(limit for _, limit in PHASES.values()) <= LONGEST_SECONDS


def test_a_failure_is_in_the_table_and_at_its_end() -> None:
    summary = Summary()
    summary.add("first-mail", "push", "taken")
    assert summary.text().endswith("All checks passed.")
    summary.fail("faults", "3 of 90 never arrived\nwith more words")
    assert summary.text().endswith("FAILED")
    assert "3 of 90 never arrived" in summary.text()
    assert "more words" not in summary.text()


def test_every_image_of_the_files_has_a_stand_in() -> None:
    named = named_images(ROOT / COMPOSE, ROOT / PRODUCTION)
    foreign = {service for service, image in named.items() if not image.startswith("notifications")}
    assert foreign == set(TARGETS)
    targets = "".join(path.read_text() for path in STAND_INS.glob("*.dockerfile"))
    for target in set(TARGETS.values()) - {"mailpit"}:
        assert f" AS {target}\n" in targets


def test_the_base_image_is_the_one_of_the_dockerfile() -> None:
    assert python_image(ROOT).startswith("python:3.")
    assert "@sha256:" in python_image(ROOT)


def test_a_copy_of_the_checkout_has_the_files_and_no_settings_of_the_developer(
    tmp_path: Path,
) -> None:
    copied = copy_of_checkout(tmp_path / "copy")
    assert (copied / COMPOSE).read_text() == (ROOT / COMPOSE).read_text()
    assert (copied / "docker" / "backup.sh").stat().st_mode & 0o111
    assert not (copied / ".env").exists()
    assert not (copied / "var").exists()
