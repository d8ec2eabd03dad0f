"""With a server configured, a value that others can guess or abuse stops the process."""

import random
import string

import pytest

from notifications_project.settings import unsafe_values
from tests.settings.conftest import Start
from tests.settings.test_environment import SAFE, SERVERS, shown

HOW = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
HEXADECIMAL = "6f1d8ab2c94e07355be20c7fd1a9e864"
# Each is a key that somebody might take from a document, or type.
GUESSABLE = [
    "changeme",
    "ChangeMe-ChangeMe-ChangeMe-ChangeMe-ChangeMe-ChangeMe",
    "secret",
    "password" * 8,
    "your-secret-key-here",
    "replace-this-placeholder-with-your-own-secret-key-please",
    "django-insecure-" + HEXADECIMAL * 2,
    HEXADECIMAL[:31],
    f"changeme-{HEXADECIMAL[:20]}",
    "k" * 50,
    "tests-" + "0" * 50,
    "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz",
    "1234567890" * 6,
    "only-for-this-job-only-for-this-job-only-for-this-job",
]
STRONG = [
    HEXADECIMAL,
    f"secret-{HEXADECIMAL}",
    "V1ZBdVQxTnZiM1Z1WkNCcGN5Qm1kVzQ9ZmlzaA==",
    "a sentence of some length that nobody else has ever said to anyone",
    "8305619274406158823917465520398174653029",
]
WIDE_HOSTS = ["*", ".", "..", ".com", ".COM.", "*.example.com", " * "]
NARROW_HOSTS = [
    "notify.example.com",
    ".example.com",
    "localhost",
    "127.0.0.1",
    "[::1]",
    ".internal",
    "web",
    ".default.svc.cluster.local",
]


@pytest.mark.parametrize("server", SERVERS)
def test_a_key_that_can_be_guessed_stops_the_process(start: Start, server: str) -> None:
    ended = start(**SAFE | {"SECRET_KEY": "changeme", server: SERVERS[server]})
    assert ended.returncode == 2
    assert ended.stderr.startswith('Environment variable "SECRET_KEY": can be guessed')
    assert ended.stderr.count("\n") == 1
    assert HOW in ended.stderr


@pytest.mark.parametrize("key", GUESSABLE)
def test_keys_of_documents_and_of_lazy_fingers_can_be_guessed(key: str) -> None:
    with pytest.raises(ValueError, match="can be guessed"):
        unsafe_values.secret_key(key)


def test_a_refused_key_is_not_shown(start: Start) -> None:
    ended = start(**SAFE | SERVERS | {"SECRET_KEY": "Horse-Battery-7"})
    assert ended.returncode == 2
    assert "Horse" not in ended.stderr


@pytest.mark.parametrize("key", STRONG)
def test_a_strong_key_is_accepted(key: str) -> None:
    unsafe_values.secret_key(key)


def test_a_key_of_32_random_characters_starts_as_in_earlier_releases(start: Start) -> None:
    given = SAFE | SERVERS | {"SECRET_KEY": HEXADECIMAL}
    assert shown(start, "SECRET_KEY", **given) == {"SECRET_KEY": HEXADECIMAL}


@pytest.mark.parametrize(
    "alphabet", [string.hexdigits[:16], string.digits, string.ascii_letters + string.digits]
)
def test_no_random_key_of_32_characters_is_taken_for_a_guessable_one(alphabet: str) -> None:
    chosen = random.Random(20_261_129)
    for _ in range(2_000):
        unsafe_values.secret_key("".join(chosen.choices(alphabet, k=32)))


def test_an_earlier_key_may_be_short_so_that_it_can_be_replaced(start: Start) -> None:
    given = SAFE | SERVERS | {"SECRET_KEY_FALLBACKS": "short"}
    assert shown(start, "SECRET_KEY_FALLBACKS", **given) == {"SECRET_KEY_FALLBACKS": "['short']"}


@pytest.mark.parametrize("pattern", WIDE_HOSTS)
def test_a_pattern_that_covers_hosts_of_others_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="covers hosts that belong to others"):
        unsafe_values.hosts(["notify.example.com", pattern])


@pytest.mark.parametrize("host", NARROW_HOSTS)
def test_hosts_of_one_installation_are_accepted(host: str) -> None:
    unsafe_values.hosts([host])


def test_a_list_with_one_wildcard_stops_the_process(start: Start) -> None:
    ended = start(**SAFE | SERVERS | {"ALLOWED_HOSTS": "notify.example.com,*"})
    assert ended.returncode == 2
    assert ended.stderr.startswith("Environment variable \"ALLOWED_HOSTS\": '*' covers")
    assert ended.stderr.count("\n") == 1


def test_detailed_error_pages_stop_the_process(start: Start) -> None:
    ended = start(**SAFE, **SERVERS, DEBUG="true")
    assert ended.returncode == 2
    assert ended.stderr.startswith('Environment variable "DEBUG": ')


WEAK_TOKENS = ["changeme", "password123", "prometheus", "hunter2", "aaaaaaaaaaaa", "s3cret"]


@pytest.mark.parametrize("token", WEAK_TOKENS)
def test_a_token_that_can_be_guessed_is_refused_and_not_shown(token: str) -> None:
    for judge, given in (
        (unsafe_values.token, token),
        (unsafe_values.logins, f"ada:{token}"),
        (unsafe_values.logins, f"ada:Xk3-9fQz7,eve:{token}"),
    ):
        with pytest.raises(ValueError, match="can be guessed") as refused:
            judge(given)
        assert token not in str(refused.value).replace("such as changeme", "")


@pytest.mark.parametrize("login", ["ada", ":Xk3-9fQz7", "ada:", "ada:Xk3-9fQz7,eve"])
def test_a_login_of_flower_is_a_name_and_a_password(login: str) -> None:
    with pytest.raises(ValueError, match="must be name:password") as refused:
        unsafe_values.logins(login)
    assert "Xk3" not in str(refused.value)


@pytest.mark.parametrize("password", ["OldFlower4711", "metrics-Kx7q", "Xk3-9fQz"])
def test_a_password_of_an_installation_that_runs_does_not_stop_its_upgrade(password: str) -> None:
    unsafe_values.token(password)
    unsafe_values.logins(f"ada:{password}")


def test_other_tokens_are_accepted(start: Start) -> None:
    given = {"METRICS_TOKEN": "Xk3-9fQz", "FLOWER_BASIC_AUTH": "ada:Xk3-9fQz7,eve:7Qz:f9-3kX"}
    assert start(**SAFE, **SERVERS, **given).returncode == 0
    assert start(**SAFE, **SERVERS, METRICS_TOKEN="", FLOWER_BASIC_AUTH="").returncode == 0


CARELESS = {
    "DEBUG": "true",
    "SECRET_KEY": "changeme",
    "ALLOWED_HOSTS": "*",
    "METRICS_TOKEN": "changeme",
    "FLOWER_BASIC_AUTH": "admin:admin",
}


def test_all_unsafe_values_are_reported_at_once_with_what_is_invalid(start: Start) -> None:
    ended = start(**SERVERS, **CARELESS, RETRY_MAX_ATTEMPTS="many")
    assert ended.returncode == 2
    named = [line.split('"')[1] for line in ended.stderr.splitlines()]
    assert sorted(named) == sorted([*CARELESS, "RETRY_MAX_ATTEMPTS"])
    assert ended.stdout == ""


def test_without_a_server_everything_is_as_the_developer_wants_it(start: Start) -> None:
    ended = start(**CARELESS)
    assert (ended.returncode, ended.stderr) == (0, "")


GUESSABLE_ADDRESSES = [
    "amqp://guest:guest@rabbitmq:5672//",
    "amqp://guest:guest@127.0.0.1//;amqp://guest:guest@10.0.0.7//",
    "postgres://notifications:notifications@db.example.com/notifications",
    "postgres://u:postgres@127.0.0.1:5432,10.0.0.7:5432/name",
    "redis://:secret@10.0.0.7:6379/0",
    "redis://:changeme@[2001:db8::1]:6379/0",
]
OTHER_ADDRESSES = [
    "",
    "amqp://guest:guest@127.0.0.1:5672//",
    "amqp://guest:guest@[::1]:5672//",
    "postgres://notifications:notifications@localhost/notifications",
    "postgres://u@db.example.com/name",
    "postgres://u:Xk3-9f%40Qz7@db.example.com/name",
    "redis://10.0.0.7:6379/0",
    "unix://:secret@/run/redis.sock",
    "sqlite:////var/lib/notifications.sqlite3",
]


@pytest.mark.parametrize("address", GUESSABLE_ADDRESSES)
def test_a_guessable_password_of_a_server_on_another_machine_is_found(address: str) -> None:
    assert unsafe_values.guessable_passwords({"A": address, "B": ""}) == ["A"]


@pytest.mark.parametrize("address", OTHER_ADDRESSES)
def test_other_passwords_and_servers_on_loopback_are_not_found(address: str) -> None:
    assert unsafe_values.guessable_passwords({"A": address}) == []


def test_a_guessable_password_of_a_server_warns_and_stops_nothing(start: Start) -> None:
    given = SAFE | SERVERS | {"BROKER_URL": "amqp://guest:guest@rabbitmq//"}
    found = shown(start, "GUESSABLE_SERVER_PASSWORDS", **given)
    assert found == {"GUESSABLE_SERVER_PASSWORDS": "['BROKER_URL']"}
