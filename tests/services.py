"""Addresses of the servers that the tests use, and a check whether they answer.

``python -m tests.services`` exits with 0 when all three answer. With ``--export`` it prints the
environment that points the settings at them, with a key and hosts as a server requires them. With
``--processes 2`` it sees that each of two processes has a virtual host and a Redis database of its
own (``tests.own_servers``), and exits with 1 if they cannot have them.
"""

import argparse
import os
import secrets
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial

import psycopg
import redis
from kombu import Connection

from tests import own_servers

DATABASE_URL = os.environ.get(
    "TEST_DATABASE_URL", "postgres://notifications:notifications@127.0.0.1:5432/notifications"
)
# A separate virtual host, so that the tests never see messages of a running stack.
SHARED_BROKER_URL = os.environ.get(
    "TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672/notifications_test"
)
SHARED_REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
# Two processes that shared these would take messages from each other, and empty each other's cache.
BROKER_URL = own_servers.broker_url(SHARED_BROKER_URL, own_servers.WORKER)
REDIS_URL = own_servers.redis_url(SHARED_REDIS_URL, own_servers.WORKER)
# For the processes of one run. A key in the repository would be one that everybody knows.
SECRET_KEY = secrets.token_urlsafe(48)
TIMEOUT_SECONDS = 3


def ask_postgresql() -> None:
    with psycopg.connect(DATABASE_URL, connect_timeout=TIMEOUT_SECONDS) as connection:
        connection.execute("SELECT 1")


def ask_rabbitmq() -> None:
    ask_own_virtual_host(own_servers.WORKER)


def ask_own_virtual_host(worker: str) -> None:
    url = own_servers.broker_url(SHARED_BROKER_URL, worker)
    with Connection(url, connect_timeout=TIMEOUT_SECONDS) as connection:
        connection.connect()


def ask_redis() -> None:
    ask_own_redis_database(own_servers.WORKER)


def ask_own_redis_database(worker: str) -> None:
    url = own_servers.redis_url(SHARED_REDIS_URL, worker)
    client = redis.Redis.from_url(url, socket_connect_timeout=TIMEOUT_SECONDS)
    client.ping()
    client.close()


QUESTIONS: dict[str, Callable[[], None]] = {
    "PostgreSQL": ask_postgresql,
    "RabbitMQ": ask_rabbitmq,
    "Redis": ask_redis,
}


def silent_services() -> list[str]:
    """Return the servers that do not answer, each with its error."""
    return unanswered(QUESTIONS)


def unanswered(questions: dict[str, Callable[[], None]]) -> list[str]:
    """Ask each question, and return those without an answer, each with its error."""
    silent = []
    for name, ask in questions.items():
        try:
            ask()
        except Exception as error:  # noqa: BLE001 - any exception means that there is no answer.
            silent.append(f"{name} ({type(error).__name__}: {str(error).strip()[:100]})")
    return silent


def what_processes_lack(count: int) -> list[str]:
    """Return what is missing for so many processes after it was made where it can be.

    Args:
        count: The number of processes, which pytest-xdist calls gw0, gw1 and so on.
    """
    workers = [f"gw{number}" for number in range(count)]
    hosts: dict[str, Callable[[], None]] = {}
    databases: dict[str, Callable[[], None]] = {}
    for worker in workers:
        hosts[f"virtual host of {worker}"] = partial(ask_own_virtual_host, worker)
        databases[f"Redis database of {worker}"] = partial(ask_own_redis_database, worker)
    failures = []
    if unanswered(hosts):
        failures = own_servers.make_virtual_hosts(SHARED_BROKER_URL, workers)
    return [*failures, *unanswered({**hosts, **databases})]


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


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--export", action="store_true")
    parser.add_argument("--processes", type=int, default=0)
    given = parser.parse_args(words)
    if given.export:
        sys.stdout.write(f"{exports()}\n")
        return 0
    missing = what_processes_lack(given.processes) if given.processes else silent_services()
    for line in missing:
        sys.stdout.write(f"{'missing' if given.processes else 'does not answer'}: {line}\n")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
