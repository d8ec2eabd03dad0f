"""The secrets of docker-compose.yml are made once, or taken from an older ``.env``."""

import json
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from notifications_project.settings import server_addresses

ROOT = Path(__file__).parents[2]
READERS = ("app", "postgresql", "rabbitmq", "redis", "prometheus", "push-catcher")
AWKWARD = "p@ss/w#rd:100%'\"\\"


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    for name in READERS:
        (tmp_path / "volumes" / name).mkdir(parents=True)
    return tmp_path / "volumes"


def make(volumes: Path, *, files: Path | None = None, **given: str) -> dict[str, str]:
    """Run the program, and return all files by their place."""
    subprocess.run(  # noqa: S603 - a program of this project.
        [sys.executable, str(ROOT / "docker" / "make_secrets.py")],
        env={"SECRETS_ROOT": str(volumes), "SECRETS_GIVEN": str(files or volumes), **given},
        check=True,
        capture_output=True,
        timeout=60,
    )
    kept = [path for path in volumes.rglob("*") if path.is_file()]
    return {str(path.relative_to(volumes)): path.read_text() for path in kept}


def password(address: str) -> str:
    return unquote(urlsplit(address).password or "")


def test_every_secret_is_made_and_a_second_run_changes_none(volumes: Path) -> None:
    made = make(volumes)
    secrets = [
        made["app/secret_key"],
        made["app/metrics_token"],
        made["postgresql/password"],
        made["rabbitmq/password"],
        made["redis/password"],
    ]
    assert len(set(secrets)) == len(secrets)
    assert all(len(secret) >= 50 for secret in secrets)
    assert make(volumes) == made


def test_another_installation_has_other_secrets(volumes: Path, tmp_path: Path) -> None:
    first = make(volumes)
    for name in READERS:
        (tmp_path / "others" / name).mkdir(parents=True)
    second = make(tmp_path / "others")
    fixed = {"app/push_catcher.json"}
    assert [name for name in first if first[name] == second[name] and name not in fixed] == []


def test_the_passwords_of_an_older_env_file_stay(volumes: Path) -> None:
    made = make(volumes, POSTGRES_PASSWORD="from4before", RABBITMQ_PASSWORD="as4well")
    assert made["postgresql/password"] == "from4before"
    assert made["app/database_url"] == (
        "postgres://notifications:from4before@postgresql:5432/notifications"
    )
    assert made["app/broker_url"] == "amqp://notifications:as4well@rabbitmq:5672//"


@pytest.mark.parametrize(
    ("variable", "file", "judge"),
    [
        ("POSTGRES_PASSWORD", "app/database_url", server_addresses.database),
        ("RABBITMQ_PASSWORD", "app/broker_url", server_addresses.broker),
        ("REDIS_PASSWORD", "app/redis_url", server_addresses.redis),
    ],
)
def test_a_password_may_have_any_character(
    volumes: Path, variable: str, file: str, judge: object
) -> None:
    made = make(volumes, files=None, **{variable: AWKWARD})
    assert password(made[file]) == AWKWARD
    assert judge(made[file]) == made[file]  # type: ignore[operator] # A function of the settings.


def test_a_secret_may_be_given_as_a_file(volumes: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "postgres_password").write_text("from-a-file\n")
    made = make(volumes, files=given)
    assert made["postgresql/password"] == "from-a-file"
    assert password(made["app/database_url"]) == "from-a-file"


def test_the_servers_get_the_passwords_that_our_processes_use(volumes: Path) -> None:
    made = make(volumes)
    login = f'{{default_pass, <<"{password(made["app/broker_url"])}"/utf8>>}}'
    assert login in made["rabbitmq/advanced.config"]
    assert made["redis/redis.conf"] == f'requirepass "{password(made["app/redis_url"])}"\n'
    assert made["prometheus/metrics_token"] == made["app/metrics_token"]


def test_only_our_processes_can_sign_for_the_push_catcher(volumes: Path) -> None:
    made = make(volumes)
    assert "PRIVATE KEY" in json.loads(made["app/push_catcher.json"])["private_key"]
    assert "PRIVATE" not in made["push-catcher/public.pem"]


def test_a_server_that_runs_under_any_user_can_read_its_secret(volumes: Path) -> None:
    make(volumes)
    for path in (path for path in volumes.rglob("*") if path.is_file()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o444, path
