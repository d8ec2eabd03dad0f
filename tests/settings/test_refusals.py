"""Invalid variables end every process with one line each and status 2."""

import subprocess
import sys
from pathlib import Path

import pytest

from notifications_project.settings.spelling import misspelt, one_edit_apart
from tests.settings.conftest import ROOT, Start
from tests.settings.test_environment import SAFE, SERVERS, variables_read

SEVERAL = {
    "DATABASE_URL": "mysql://u:secret@h/db",
    "BROKER_URL": "rabbit://u:secret@h",
    "REDIS_URL": "redis+sentinel://:secret@h/0",
    "RETRY_MAX_ATTEMPTS": "many",
    "DEBUG": "perhaps",
    "SMTP_TLS": "maybe",
    "RATE_LIMIT_LOGIN": "10/fortnight",
    "SECRET_KEY_FALLBACKS": "older-key,older-key",
    "EMAIL_PROVDERS": "smtp",
    "FCM_SERVICE_ACOUNT_FILE": "/run/key.json",
}
PROGRAMS = {
    "manage.py": [sys.executable, "manage.py", "check"],
    "celery": [
        str(Path(sys.executable).with_name("celery")),
        "-A",
        "notifications_project",
        "worker",
    ],
    "one web process": [sys.executable, "-m", "notifications_project.web", "--processes", "1"],
    "web processes": [sys.executable, "-m", "notifications_project.web", "--processes", "2"],
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_invalid_variables_are_reported_at_once(program: str) -> None:
    ended = subprocess.run(  # noqa: S603 - a program of this project.
        [*PROGRAMS[program], *(["--port", "0"] if "web" in program else [])],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "ENV_FILE": "/dev/null", **SEVERAL},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    assert sorted(line.split('"')[1] for line in lines) == sorted(SEVERAL)
    assert all(line.startswith("Environment variable ") for line in lines)
    assert "secret" not in ended.stderr


def test_a_missing_key_and_an_invalid_number_are_reported_together(start: Start) -> None:
    ended = start(**SERVERS, RETRY_MAX_ATTEMPTS="many")
    assert ended.returncode == 2
    named = [line.split('"')[1] for line in ended.stderr.splitlines()]
    assert named == ["RETRY_MAX_ATTEMPTS", "SECRET_KEY", "ALLOWED_HOSTS"]


def test_a_secret_file_that_is_missing_is_one_line(start: Start) -> None:
    ended = start(SMTP_PASSWORD_FILE="/nowhere/password")
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert '"SMTP_PASSWORD"' in ended.stderr


def test_a_value_of_several_lines_is_reported_in_one(start: Start) -> None:
    ended = start(TRUSTED_PROXIES="a\nb", LINK_SCHEMES="a\nb")
    assert len(ended.stderr.splitlines()) == 2


MISSPELT = [
    ("EMAIL_PROVDERS", "EMAIL_PROVIDERS"),
    ("EMAIL_PROVIDER", "EMAIL_PROVIDERS"),
    ("EMAIL_PORVIDERS", "EMAIL_PROVIDERS"),
    ("SMTP_PASWORD", "SMTP_PASSWORD"),
    ("SMTP_PASSWORT", "SMTP_PASSWORD"),
    ("SMTP_PASSWORD_FIL", "SMTP_PASSWORD_FILE"),
    ("DATABSE_URL", "DATABASE_URL"),
    ("REDIS_URLS", "REDIS_URL"),
    ("ALLOWED_HOST", "ALLOWED_HOSTS"),
]


@pytest.mark.parametrize(("wrong", "right"), MISSPELT)
def test_a_name_that_is_one_edit_away_is_refused_with_the_right_one(
    start: Start, wrong: str, right: str
) -> None:
    ended = start(**{wrong: "a value"})
    assert ended.returncode == 2
    assert f'"{wrong}"' in ended.stderr
    assert right in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


FOREIGN = [
    "PORT",
    "HOST",
    "DEBUGS",
    "HOSTNAME",
    "TEST_DATABASE_URL",
    "TEST_BROKER_URL",
    "TEST_REDIS_URL",
    "SMTP_PASS",
    "SMTP_USER",
    "DATABASE_HOST",
    "SMTP_PORT_25_TCP",
    "CELERY_BROKER_URL",
    "UNRELATED",
]


def test_other_unknown_names_are_ignored(start: Start) -> None:
    ended = start(**SAFE, **dict.fromkeys(FOREIGN, "a value"))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_no_name_of_ours_is_taken_for_a_misspelt_one() -> None:
    example = {
        line.removeprefix("# ").partition("=")[0]
        for line in (ROOT / ".env.example").read_text().splitlines()
        if line.removeprefix("# ").partition("=")[0].replace("_", "").isupper()
    }
    assert len(example) > 40
    assert misspelt(example, variables_read()) == {}


@pytest.mark.parametrize("other", ["ABCD", "ABCDEF", "XABCDE", "ABXDE", "ABDCE", "BACDE"])
def test_one_edit_is_a_letter_more_less_or_different_or_two_neighbours_swapped(other: str) -> None:
    assert one_edit_apart("ABCDE", other)
    assert one_edit_apart(other, "ABCDE")


@pytest.mark.parametrize("other", ["ABCDE", "EBCDA", "ABXYE", "ABC", "ABDCF", "ADCBE", "BADCE"])
def test_other_differences_are_not_one_edit(other: str) -> None:
    assert not one_edit_apart("ABCDE", other)
    assert not one_edit_apart(other, "ABCDE")
