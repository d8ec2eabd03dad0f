"""``docker/deploy.sh`` against a stand-in for Render's hooks; journeys/test_deploy.py uses SSH."""

import re
import subprocess
import tomllib

import pytest
from django.test import Client

from tests.fakes.platform_server import PlatformServer
from tests.journeys.processes import ROOT, bare_environment

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SECRET = "hook-key-qz7"


def deploy(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a script of this project, against loopback.
        [ROOT / "docker" / "deploy.sh", *words],
        env={**bare_environment(), "DEPLOY_WAIT_SECONDS": "0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def head() -> str:
    return subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607 - the developer's own git.
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_each_hook_is_posted_to_with_the_commit_and_the_new_version_is_awaited() -> None:
    with PlatformServer(version=VERSION) as platform:
        hooks = f"{platform.url}/deploy/srv-1?key={SECRET} {platform.url}/deploy/srv-2"
        ended = deploy(VERSION, RENDER_DEPLOY_HOOK_URL=hooks, DEPLOY_URL=f"{platform.url}/")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert platform.hook_calls == [
        ("POST", f"/deploy/srv-1?key={SECRET}&ref={head()}"),
        ("POST", f"/deploy/srv-2?ref={head()}"),
    ]
    assert f"version {VERSION} is ready" in ended.stdout
    assert SECRET not in ended.stdout


def test_a_hook_that_is_refused_ends_the_deployment_without_showing_its_address() -> None:
    with PlatformServer(version=VERSION, hook_status=403) as platform:
        hooks = f"{platform.url}/deploy/srv-1?key={SECRET} {platform.url}/deploy/srv-2"
        ended = deploy(VERSION, RENDER_DEPLOY_HOOK_URL=hooks, DEPLOY_URL=platform.url)
    assert ended.returncode == 1
    assert ended.stderr == "Not deployed: Render did not accept the call of hook 1: status 403.\n"
    assert len(platform.hook_calls) == 1


def test_an_older_version_that_still_answers_is_not_taken_for_the_new_one() -> None:
    with PlatformServer(version="0.9.0") as platform:
        hook = f"{platform.url}/deploy/srv-1"
        ended = deploy(VERSION, RENDER_DEPLOY_HOOK_URL=hook, DEPLOY_URL=platform.url)
    assert ended.returncode == 1
    assert f"version {VERSION} does not answer" in ended.stderr


def test_a_new_version_that_is_not_ready_is_a_failure() -> None:
    with PlatformServer(version=VERSION, ready_status=503) as platform:
        hook = f"{platform.url}/deploy/srv-1"
        ended = deploy(VERSION, RENDER_DEPLOY_HOOK_URL=hook, DEPLOY_URL=platform.url)
    assert ended.returncode == 1
    assert "/health/ready" in ended.stderr


SSH = {
    "DEPLOY_SSH": "deploy@127.0.0.1",
    "DEPLOY_SSH_HOST_KEY": "127.0.0.1 ssh-ed25519 AAAA",
    "DEPLOY_URL": "https://notify.example.com",
    "IMAGE": "ghcr.io/example/notifications",
}
INVALID = [
    ("latest", SSH, "give a version"),
    ("1.0.0; id", SSH, "give a version"),
    ("999.0.0", SSH, "not a checkout of version 999.0.0"),
    (VERSION, {"DEPLOY_URL": "https://notify.example.com"}, "RENDER_DEPLOY_HOOK_URL or DEPLOY_SSH"),
    (VERSION, SSH | {"DEPLOY_URL": "notify.example.com"}, "DEPLOY_URL"),
    (VERSION, SSH | {"DEPLOY_SSH": "-oProxyCommand=id@h"}, "DEPLOY_SSH"),
    (VERSION, SSH | {"DEPLOY_SSH": "host-without-user"}, "DEPLOY_SSH"),
    (VERSION, SSH | {"DEPLOY_SSH_HOST_KEY": ""}, "DEPLOY_SSH_HOST_KEY"),
    (VERSION, SSH | {"DEPLOY_PATH": "a b"}, "DEPLOY_PATH"),
    (VERSION, SSH | {"DEPLOY_PATH": "x';id;'"}, "DEPLOY_PATH"),
    (VERSION, SSH | {"DEPLOY_PATH": "-p"}, "DEPLOY_PATH"),
    (VERSION, SSH | {"IMAGE": "GHCR.io/x y"}, "IMAGE"),
    (VERSION, SSH | {"IMAGE": ""}, "IMAGE"),
    (f"{VERSION}\nid", SSH, "give a version"),
    (VERSION, SSH | {"IMAGE": "ghcr.io/x\n'; id; '"}, "IMAGE"),
    (VERSION, SSH | {"DEPLOY_PATH": "x\n'; id; '"}, "DEPLOY_PATH"),
]


@pytest.mark.parametrize(("version", "environment", "named"), INVALID)
def test_values_that_cannot_be_right_are_refused_before_anything_is_done(
    version: str, environment: dict[str, str], named: str
) -> None:
    ended = deploy(version, **environment)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert named in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("project_urls")
def test_the_document_of_the_api_shows_the_version_where_the_script_reads_it(
    client: Client,
) -> None:
    script = (ROOT / "docker" / "deploy.sh").read_text()
    path = re.search(r"\$url(/api/schema/\S*)\"", script)
    assert path is not None
    document = client.get(path[1]).content.decode()
    assert re.search(rf'"version": *"{re.escape(VERSION)}"', document)
