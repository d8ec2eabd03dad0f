"""``make release`` in a repository of its own, and the version in each place where it stands."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from tests.journeys.processes import ROOT, bare_environment

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# In the files of Compose and Kubernetes, and of Kustomize, which replaces the tag of an image.
IMAGE = re.compile(r"(?<![\w/.-])(?:notifications:|(?:newT|t)ag: [\"']?)(\d[\w.]*)")
NEXT, DATE = "77.8.9", "2031-02-03"
UNRELEASED, NEWS = "## Unreleased\n", "- A new way to greet.\n"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - git, make and a script of this project.
        command,
        cwd=folder,
        env={
            **bare_environment(),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def output(folder: Path, *command: str) -> str:
    done = run(folder, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def tracked(*patterns: str) -> list[str]:
    return [name for name in output(ROOT, "git", "ls-files", "--", *patterns).splitlines() if name]


KUSTOMIZATION = """images:
  - name: notifications
    newName: ghcr.io/example/notifications
    newTag: "{version}"
  - name: postgres
    newTag: "17.11"
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with the files that a release reads, as they are here."""
    others = ["pyproject.toml", "CHANGELOG.md", "Makefile", "docker/release.py"]
    for name in (*others, "notifications_project/settings/api.py", *tracked("*.yml", "*.yaml")):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((ROOT / name).read_bytes())
    # Directly after a release nothing is new.
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace(UNRELEASED, f"{UNRELEASED}\n{NEWS}"))
    output(tmp_path, "git", "init", "--quiet", "--initial-branch", "main")
    output(tmp_path, "git", "add", ".")
    output(tmp_path, "git", "commit", "--quiet", "--message", "All before")
    return tmp_path


def release(folder: Path, version: str = NEXT) -> subprocess.CompletedProcess[str]:
    return run(folder, "make", "--silent", "release", f"VERSION={version}", f"DATE={DATE}")


def versions(folder: Path) -> dict[str, set[str]]:
    """Return the versions that the files of a folder name, by file."""
    found = {
        name: set(IMAGE.findall((folder / name).read_text()))
        for name in tracked("*.yml", "*.yaml")
        if IMAGE.search((folder / name).read_text())
    }
    for name in ("pyproject.toml", "notifications_project/settings/api.py"):
        text = (folder / name).read_text()
        found[name] = set(re.findall(r'^(?:version|VERSION) = "(.+)"$', text, re.MULTILINE))
    return found


def test_every_place_has_the_version_of_the_project() -> None:
    found = versions(ROOT)
    assert {name: found[name] for name in found if found[name] != {VERSION}} == {}
    assert {"docker-compose.yml", "docker/digitalocean/app.yaml"} <= set(found)
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == VERSION


def test_a_release_writes_the_version_everywhere_commits_and_tags(repository: Path) -> None:
    places = set(versions(repository))
    ended = release(repository)
    assert (ended.returncode, ended.stderr) == (0, "")
    after = versions(repository)
    assert set(after) == places
    assert {name: after[name] for name in after if after[name] != {NEXT}} == {}
    assert output(repository, "git", "status", "--porcelain") == ""
    assert output(repository, "git", "log", "-1", "--format=%s") == f"Release {NEXT}"
    assert output(repository, "git", "cat-file", "-t", f"v{NEXT}") == "tag"
    assert output(repository, "git", "rev-parse", f"v{NEXT}^{{commit}}") == output(
        repository, "git", "rev-parse", "HEAD"
    )
    assert f"git push --atomic origin main v{NEXT}" in ended.stdout


def test_what_was_unreleased_is_below_the_version_and_its_date(repository: Path) -> None:
    place = repository / "CHANGELOG.md"
    before = place.read_text()
    assert before.count(UNRELEASED) == 1
    release(repository)
    after = place.read_text()
    assert after == before.replace(UNRELEASED, f"{UNRELEASED}\n## {NEXT} - {DATE}\n")
    assert f"## {NEXT} - {DATE}\n\n{NEWS}" in after


def test_the_version_of_the_project_can_be_the_first_that_is_released(repository: Path) -> None:
    assert release(repository, VERSION).returncode == 0
    assert output(repository, "git", "tag") == f"v{VERSION}"


def test_the_tag_of_our_image_in_a_kustomization_is_replaced_and_no_other(
    repository: Path,
) -> None:
    place = repository / "kustomization.yaml"
    place.write_text(KUSTOMIZATION.format(version=VERSION))
    output(repository, "git", "add", ".")
    output(repository, "git", "commit", "--quiet", "--message", "Kubernetes")
    assert release(repository).returncode == 0
    assert place.read_text() == KUSTOMIZATION.format(version=NEXT)


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    def state() -> tuple[str, str, str]:
        status = output(folder, "git", "status", "--porcelain")
        return output(folder, "git", "rev-parse", "HEAD"), output(folder, "git", "tag"), status

    before = state()
    yield
    assert state() == before


@pytest.mark.parametrize("version", ["", "1.2", "v1.2.3", "1.2.3-rc1", "01.2.3", "0.0.1"])
def test_another_form_or_an_older_version_is_refused(repository: Path, version: str) -> None:
    with unchanged(repository):
        assert release(repository, version).returncode != 0


def test_a_tag_is_never_moved(repository: Path) -> None:
    assert release(repository).returncode == 0
    with unchanged(repository):
        ended = release(repository)
    assert f"the tag v{NEXT} exists" in ended.stderr


def test_a_tree_with_changes_is_not_released(repository: Path) -> None:
    (repository / "Makefile").write_text((repository / "Makefile").read_text() + "# a change\n")
    with unchanged(repository):
        assert "changes that are not committed" in release(repository).stderr


def test_another_branch_is_not_released(repository: Path) -> None:
    output(repository, "git", "checkout", "--quiet", "-b", "topic")
    with unchanged(repository):
        assert "the branch is topic" in release(repository).stderr


@pytest.mark.parametrize("changelog", ["# Changelog\n", "## Unreleased\n\n## 1.0.0 - 2026-01-01\n"])
def test_a_release_has_to_say_what_is_new(repository: Path, changelog: str) -> None:
    (repository / "CHANGELOG.md").write_text(changelog)
    output(repository, "git", "commit", "--quiet", "--all", "--message", "Nothing new")
    with unchanged(repository):
        assert "CHANGELOG.md" in release(repository).stderr
