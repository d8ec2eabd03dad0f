"""The pages of the platforms name their files, and lead only to headings that there are."""

import re
from pathlib import Path

import pytest

from tests.deployment.processes import FOLDER, PAGES, PLATFORMS
from tests.documents.blocks import ROOT, Block, blocks_of, documents

OVERVIEW = ROOT / "docs" / "deployment.md"
SECTIONS = {
    "What is needed",
    "Install it",
    "Back up",
    "What it costs",
    "What is not managed",
    "What was checked",
}
# Its releases, scaling and roll-back are those of Kubernetes.
ALSO = {"Variables", "Deploy a release", "Roll back", "Scale", "Watch it", "The files"}
OWN = ("systemd", *PLATFORMS)


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("platform", [*OWN, "google_cloud"])
def test_a_page_answers_what_every_page_answers(platform: str) -> None:
    expected = SECTIONS | (ALSO if platform in OWN else set())

    assert expected - set(headings(PAGES / f"{platform}.md")) == set()


@pytest.mark.parametrize("platform", OWN)
def test_a_page_names_every_file_of_its_platform(platform: str) -> None:
    text = (PAGES / f"{platform}.md").read_text()
    files = [file for file in (FOLDER / platform).glob("*") if file.is_file()]
    files = files or [ROOT / f"{platform}.yaml"]

    assert [file.name for file in files if file.name not in text] == []


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: str(page.stem))
def test_a_page_names_only_files_that_exist(page: Path) -> None:
    named = re.findall(r"\b(?:docker|tests)/[\w@./-]+\w(?![\w@./*-])", page.read_text())

    assert [name for name in named if not (ROOT / name.partition("::")[0]).exists()] == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_commands_go_through_the_entrypoint_where_it_makes_the_service_account(
    platform: str,
) -> None:
    """Django's checks refuse every command without the file."""
    commands = [step.command for block in blocks_of_page(platform) for step in block.steps]
    ours = [command for command in commands if "manage.py" in command]
    if "FCM_SERVICE_ACCOUNT" in PLATFORMS[platform]()["web"].variables:
        assert ours
        assert all(line.startswith("docker/entrypoint.sh python manage.py") for line in ours)


def blocks_of_page(platform: str) -> list[Block]:
    return list(blocks_of(f"docs/deployment/{platform}.md"))


@pytest.mark.parametrize("platform", [*OWN, "google_cloud", "kubernetes"])
def test_the_overview_leads_to_every_page(platform: str) -> None:
    assert f"(deployment/{platform}.md)" in OVERVIEW.read_text()


def test_the_headings_to_which_others_link_stay() -> None:
    anchors = {anchor(heading) for heading in headings(OVERVIEW)}

    assert {"pgbouncer", "upgrades", "the-first-mail", "addresses-of-callers"} <= anchors


def test_every_link_to_a_heading_of_these_pages_finds_it() -> None:
    for name in documents():
        page = ROOT / name
        for file, found in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
            target = (page.parent / file) if file else page
            if target.parent == PAGES or target.resolve() == OVERVIEW or page.parent == PAGES:
                assert found in {anchor(each) for each in headings(target)}, (name, file, found)
