"""Addresses of the servers that the tests use, and a check whether they answer.

``python -m tests.services`` exits with 0 when all three answer. With ``--export`` it prints the
environment that points the settings at them, with a key and hosts as a server requires them.
"""

import os
import secrets
import shlex
import sys
from collections.abc import Callable

import psycopg
import redis
from kombu import Connection

DATABASE_URL = os.environ.get(
    "TEST_DATABASE_URL", "postgres://notifications:notifications@127.0.0.1:5432/notifications"
)
# A separate virtual host, so that the tests never see messages of a running stack.
BROKER_URL = os.environ.get(
    "TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672/notifications_test"
)
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
# For the processes of one run. A key in the repository would be one that everybody knows.
SECRET_KEY = secrets.token_urlsafe(48)
TIMEOUT_SECONDS = 3


def ask_postgresql() -> None:
    with psycopg.connect(DATABASE_URL, connect_timeout=TIMEOUT_SECONDS) as connection:
        connection.execute("SELECT 1")


def ask_rabbitmq() -> None:
    with Connection(BROKER_URL, connect_timeout=TIMEOUT_SECONDS) as connection:
        connection.connect()


def ask_redis() -> None:
    client = redis.Redis.from_url(REDIS_URL, socket_connect_timeout=TIMEOUT_SECONDS)
    client.ping()
    client.close()


QUESTIONS: dict[str, Callable[[], None]] = {
    "PostgreSQL": ask_postgresql,
    "RabbitMQ": ask_rabbitmq,
    "Redis": ask_redis,
}


def silent_services() -> list[str]:
    """Return the servers that do not answer, each with its error."""
    silent = []
    for name, ask in QUESTIONS.items():
        try:
            ask()
        except Exception as error:  # noqa: BLE001 - any exception means that the server does not answer.
            silent.append(f"{name} ({type(error).__name__}: {str(error).strip()[:100]})")
    return silent


def exports() -> str:
    """Return shell commands that point the settings at the servers."""
    return "\n".join(
        f"export {name}={shlex.quote(value)}"
        for name, value in (
            ("DATABASE_URL", DATABASE_URL),
            ("BROKER_URL", BROKER_URL),
            ("REDIS_URL", REDIS_URL),
            ("SECRET_KEY", SECRET_KEY),
            ("ALLOWED_HOSTS", "localhost,127.0.0.1"),
        )
    )


if __name__ == "__main__":
    if "--export" in sys.argv:
        sys.stdout.write(f"{exports()}\n")
        sys.exit()
    missing = silent_services()
    for line in missing:
        sys.stdout.write(f"does not answer: {line}\n")
    sys.exit(bool(missing))
