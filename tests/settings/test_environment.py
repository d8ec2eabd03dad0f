"""An invalid value stops the process with an error that names its variable."""

import json
import re
import stat
from pathlib import Path

import pytest

from tests.settings.conftest import ROOT, Start

SERVERS = {
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
    "BROKER_URL": "amqp://127.0.0.1:1//",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
# Random text, as a server requires.
STRONG_KEY = "q0J7mZr2-vX9sLw4TnB8cYd6_HfKe1Gp5uVa3RiQoWtEyU0jNb"
SAFE = {"SECRET_KEY": STRONG_KEY, "ALLOWED_HOSTS": "notifications.example.com"}

BAD = [
    ("DEBUG", "perhaps"),
    ("OPEN_REGISTRATION", "perhaps"),
    ("LOG_LEVEL", "LOUD"),
    ("LOG_FORMAT", "xml"),
    ("EMAIL_PROVIDERS", "pigeon"),
    ("EMAIL_PROVIDERS", "smtp,smtp"),
    ("EMAIL_PROVIDERS", ","),
    ("EMAIL_PROVIDERS", "fcm"),
    ("PUSH_PROVIDERS", "smtp"),
    ("SMTP_TLS", "maybe"),
    ("SMTP_PORT", "smtp"),
    ("SMTP_PORT", "0"),
    ("SMTP_PORT", "65536"),
    ("SMTP_REPLY_TIMEOUT_SECONDS", "0"),
    ("SMTP_REPLY_TIMEOUT_SECONDS", "-45"),
    ("SMTP_REPLY_TIMEOUT_SECONDS", "601"),
    ("SMTP_REPLY_TIMEOUT_SECONDS", "nan"),
    ("SMTP_REPLY_TIMEOUT_SECONDS", "soon"),
    ("RETRY_MAX_ATTEMPTS", "0"),
    ("RETRY_MAX_ATTEMPTS", "many"),
    ("RETRY_BASE_SECONDS", "0"),
    ("RETRY_BASE_SECONDS", "soon"),
    ("RETRY_MAX_SECONDS", "0.5"),
    ("RETENTION_DAYS", "29"),
    ("RETENTION_DAYS", "40000"),
    ("RETENTION_DAYS", "ever"),
    ("SMTP_MAX_PER_SECOND", "0"),
    ("SMTP_MAX_PER_SECOND", "-3"),
    ("SENDGRID_MAX_PER_SECOND", "10/s"),
    ("SENDGRID_WEBHOOK_PUBLIC_KEY", "no key"),
    ("SENDGRID_WEBHOOK_PUBLIC_KEY", "AAAA"),
    ("SENDGRID_WEBHOOK_PUBLIC_KEY", "SG.key-of-the-api"),
    ("SENDGRID_WEBHOOK_TOLERANCE_SECONDS", "59"),
    ("SENDGRID_WEBHOOK_TOLERANCE_SECONDS", "a day"),
    ("SOFT_BOUNCE_LIMIT", "-1"),
    ("SOFT_BOUNCE_DAYS", "0"),
    ("SOFT_BOUNCE_DAYS", "31"),
    ("OPERATOR_EMAILS", "ops"),
    ("OPERATOR_EMAILS", "ops@example.com,"),
    ("OPERATOR_EMAILS", "Ops <ops@example.com>"),
    ("OPERATOR_EMAILS", "ops@@example.com"),
    ("OPERATOR_EMAILS", "ops@example.com,OPS@example.com"),
    ("OPERATOR_EMAILS", ",".join(f"ops{number}@example.com" for number in range(21))),
    ("OPERATOR_DEAD_LETTERS", "0"),
    ("OPERATOR_DEAD_LETTERS", "many"),
    ("FCM_MAX_PER_SECOND", "nan"),
    ("FCM_MAX_PER_SECOND", "inf"),
    ("RATE_LIMIT_NOTIFICATIONS", "60000"),
    ("RATE_LIMIT_NOTIFICATIONS", "0/m"),
    ("RATE_LIMIT_NOTIFICATIONS", "-1/m"),
    ("RATE_LIMIT_LOGIN", "10/fortnight"),
    ("RATE_LIMIT_LOGIN", ""),
    ("LINK_SCHEMES", ""),
    ("LINK_SCHEMES", "https,"),
    ("LINK_SCHEMES", "https:"),
    ("LINK_SCHEMES", "https,javascript"),
    ("LINK_SCHEMES", "https,VBScript"),
    ("LINK_SCHEMES", "data"),
    ("DEFAULT_FROM_EMAIL", "ops"),
    ("DEFAULT_FROM_EMAIL", "Foobar, Inc. <ops@example.com>"),
    ("DEFAULT_FROM_EMAIL", "=?utf-8?q?F=C3=B6o?= <ops@example.com>"),
    ("DEFAULT_FROM_EMAIL", "a@example.com, b@example.com"),
    ("DEFAULT_FROM_EMAIL", ""),
    ("PUBLIC_URL", "https://example.com/notify"),
    ("PUBLIC_URL", "example.com"),
    ("PUBLIC_URL", "ftp://example.com"),
    ("PUBLIC_URL", "https://"),
    ("PUBLIC_URL", "https://example.com:port"),
    ("PUBLIC_URL", "https://ada@example.com"),
    ("PUBLIC_URL", "https://example.com?a=b"),
    ("SMTP_LOCAL_HOSTNAME", "a name"),
    ("SMTP_LOCAL_HOSTNAME", "https://example.com"),
    ("SECRET_KEY_FALLBACKS", ","),
    ("SECRET_KEY_FALLBACKS", "older-key,"),
    ("SECRET_KEY_FALLBACKS", "older-key, ,oldest-key"),
    ("SECRET_KEY_FALLBACKS", "older-key,older-key"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_stops_the_process_and_names_its_variable(
    start: Start, name: str, value: str
) -> None:
    ended = start(**{name: value})
    assert ended.returncode != 0
    assert f'"{name}"' in ended.stderr.splitlines()[-1]


def test_it_starts_without_any_environment(start: Start) -> None:
    ended = start()
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("missing", SAFE)
def test_with_a_server_the_secret_key_and_the_hosts_are_required(
    start: Start, server: str, missing: str
) -> None:
    given = {name: value for name, value in SAFE.items() if name != missing}
    ended = start(**given, **{server: SERVERS[server]})
    assert ended.returncode != 0
    last = ended.stderr.splitlines()[-1]
    assert f'"{missing}" must be set when a server is configured' in last


def test_it_starts_without_connecting_to_any_server(start: Start) -> None:
    ended = start(**SAFE, **SERVERS)
    assert (ended.returncode, ended.stderr) == (0, "")


SHOW = """
import django, json; django.setup()
from django.conf import settings
print(json.dumps({name: str(getattr(settings, name)) for name in NAMES}))
"""


def shown(start: Start, *names: str, **environment: str) -> dict[str, str]:
    ended = start(f"NAMES = {names!r}\n{SHOW}", **environment)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, str] = json.loads(ended.stdout)
    return found


def test_secrets_may_come_from_files(start: Start, tmp_path: Path) -> None:
    names = ("SECRET_KEY", "SMTP_PASSWORD", "SENDGRID_API_KEY", "METRICS_TOKEN")
    environment = {}
    for name in names:
        (tmp_path / name).write_text(f"{name}-from-a-file\n")
        environment[f"{name}_FILE"] = str(tmp_path / name)
    found = shown(start, *names, **environment)
    assert {name: value.strip() for name, value in found.items()} == {
        name: f"{name}-from-a-file" for name in names
    }


def test_earlier_keys_are_separated_by_commas(start: Start, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("older-key, oldest-key\n")
    from_a_file = {"SECRET_KEY_FALLBACKS_FILE": str(tmp_path / "keys")}
    for given in ({"SECRET_KEY_FALLBACKS": "older-key,oldest-key"}, from_a_file):
        found = shown(start, "SECRET_KEY_FALLBACKS", **given)
        assert found == {"SECRET_KEY_FALLBACKS": "['older-key', 'oldest-key']"}
    assert shown(start, "SECRET_KEY_FALLBACKS") == {"SECRET_KEY_FALLBACKS": "[]"}


@pytest.mark.parametrize("older", ["older-key,", "older-key,older-key", "k" * 50])
def test_invalid_earlier_keys_are_refused_and_not_shown(start: Start, older: str) -> None:
    ended = start(SECRET_KEY="k" * 50, SECRET_KEY_FALLBACKS=older)
    assert ended.returncode != 0
    last = ended.stderr.splitlines()[-1]
    assert '"SECRET_KEY_FALLBACKS"' in last
    assert not any(key in last for key in ("older-key", "k" * 50))


def test_the_key_of_the_embedded_mode_is_refused_as_an_earlier_key(start: Start) -> None:
    kept = shown(start, "SECRET_KEY")["SECRET_KEY"]
    ended = start(SECRET_KEY_FALLBACKS=kept)
    assert ended.returncode != 0
    assert '"SECRET_KEY_FALLBACKS"' in ended.stderr.splitlines()[-1]


def test_link_schemes_are_case_insensitive(start: Start) -> None:
    given = {"LINK_SCHEMES": "HTTPS, sms,web+notes"}
    found = shown(start, "LINK_SCHEMES", **given)["LINK_SCHEMES"]
    assert all(f"'{name}'" in found for name in ("https", "sms", "web+notes"))
    assert found.count("'") == 6


def test_a_secret_from_a_file_has_no_trailing_line_feed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    found = shown(start, "SMTP_PASSWORD", SMTP_PASSWORD_FILE=str(tmp_path / "password"))
    assert found == {"SMTP_PASSWORD": "correct horse"}


def test_a_missing_secret_file_names_its_variable(start: Start) -> None:
    ended = start(SMTP_PASSWORD_FILE="/nowhere/password")
    assert ended.returncode != 0
    assert "SMTP_PASSWORD" in ended.stderr or "/nowhere/password" in ended.stderr


def test_the_embedded_mode_stores_its_secret_in_a_file_readable_by_its_owner_only(
    start: Start, copy: Path
) -> None:
    kept = copy / "var" / "demo.env"
    kept.unlink(missing_ok=True)
    first = shown(start, "SECRET_KEY")["SECRET_KEY"]
    assert len(first) >= 50
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert kept.read_text() == f"SECRET_KEY={first}\n"
    assert shown(start, "SECRET_KEY")["SECRET_KEY"] == first


def test_with_servers_no_secret_is_written_to_a_file(start: Start, copy: Path) -> None:
    kept = copy / "var" / "demo.env"
    kept.unlink(missing_ok=True)
    assert start(**SAFE, **SERVERS).returncode == 0
    assert not kept.exists()


def test_the_mode_depends_on_the_environment(start: Start) -> None:
    names = ("EMBEDDED", "CELERY_BROKER_URL", "OPEN_REGISTRATION", "ALLOWED_HOSTS")
    assert shown(start, *names) == {
        "EMBEDDED": "True",
        "CELERY_BROKER_URL": "memory://",
        "OPEN_REGISTRATION": "True",
        "ALLOWED_HOSTS": "['localhost', '127.0.0.1', '[::1]']",
    }
    assert shown(start, *names, **SAFE, **SERVERS) == {
        "EMBEDDED": "False",
        "CELERY_BROKER_URL": "amqp://127.0.0.1:1//",
        "OPEN_REGISTRATION": "False",
        "ALLOWED_HOSTS": "['notifications.example.com']",
    }


@pytest.mark.parametrize(
    ("tls", "port"), [("none", "25"), ("starttls", "587"), ("implicit", "465")]
)
def test_the_default_smtp_port_depends_on_the_encryption(start: Start, tls: str, port: str) -> None:
    assert shown(start, "SMTP_PORT", SMTP_TLS=tls) == {"SMTP_PORT": port}


def test_rate_limits_are_read_for_each_provider(start: Start) -> None:
    given = {
        "SMTP_MAX_PER_SECOND": "14",
        "FCM_MAX_PER_SECOND": "0.5",
        "SENDGRID_MAX_PER_SECOND": "",
    }
    assert shown(start, "PROVIDER_MAX_PER_SECOND", **given) == {
        "PROVIDER_MAX_PER_SECOND": "{'smtp': 14.0, 'sendgrid': None, 'fcm': 0.5}"
    }


def test_https_makes_cookies_secure(start: Start) -> None:
    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS")
    assert shown(start, *names, PUBLIC_URL="https://notifications.example.com/") == {
        "SESSION_COOKIE_SECURE": "True",
        "CSRF_COOKIE_SECURE": "True",
        "SECURE_HSTS_SECONDS": "31536000",
    }
    assert set(shown(start, *names[:2]).values()) == {"False"}


READ = re.compile(r'\b(?:env\.|_)\w+\(\s*"([A-Z][A-Z0-9_]*)"')
LISTED = re.compile(r"^#?\s*([A-Z][A-Z0-9_]+)=", re.MULTILINE)


def variables_read() -> set[str]:
    module = ROOT / "notifications_project" / "settings" / "environment.py"
    return set(READ.findall(module.read_text()))


def test_the_variables_in_the_settings_are_found() -> None:
    names = variables_read()
    assert len(names) > 30
    assert {"DATABASE_URL", "SECRET_KEY", "EMAIL_PROVIDERS", "RATE_LIMIT_LOGIN"} <= names


def test_every_variable_that_is_read_is_in_the_example() -> None:
    listed = set(LISTED.findall((ROOT / ".env.example").read_text()))
    assert variables_read() - listed == set()


def test_every_variable_in_the_example_is_read_somewhere() -> None:
    """By the settings, or by the processes of docker/ and the Makefile."""
    listed = set(LISTED.findall((ROOT / ".env.example").read_text()))
    others = ""
    for name in ("Makefile", "docker-compose.yml", "compose.production.yml", "render.yaml"):
        if (ROOT / name).exists():
            others += (ROOT / name).read_text()
    for path in (ROOT / "docker").rglob("*"):
        if path.is_file():
            others += path.read_text(errors="ignore")
    unread = {
        name
        for name in listed - variables_read()
        if name.removesuffix("_FILE") not in variables_read()
        and not re.search(rf"\b{name}\b", others)
    }
    assert unread == set()


def test_the_values_in_the_example_are_valid(start: Start) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if re.match(r"^[A-Z][A-Z0-9_]+=.", line))
    ended = start(**{name: value.strip("'\"") for name, value in given.items()})
    assert ended.returncode == 0, ended.stderr
