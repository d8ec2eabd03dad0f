"""A virtual host and a Redis database for each process of a run with several of them.

pytest reads this plugin (``-p`` in pyproject.toml) before pytest-django reads the settings, so it
can change what the environment says. pytest-django gives each process a database of its own.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

# pytest-xdist sets it in each process that it starts: gw0, gw1 and so on. A run without servers
# shares none.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "") if os.environ.get("BROKER_URL") else ""
SERVICES_SCRIPT = Path(__file__).parents[1] / "docker" / "services.sh"
# The server for which docker/services.sh makes virtual hosts.
MADE_FOR = [(host, 5672, "guest") for host in ("127.0.0.1", "localhost")]


def broker_url(url: str, worker: str) -> str:
    """Return the address with the virtual host of a process: NAME_gw0 for the process gw0."""
    given = urlsplit(url)
    return given._replace(path=f"{given.path}_{worker}").geturl() if worker else url


def redis_url(url: str, worker: str) -> str:
    """Return the address with the database of a process: of 15, gw0 gets 14 and gw1 gets 13.

    Raises:
        ValueError: No database is left above 0, which a running stack uses.
    """
    if not worker:
        return url
    given = urlsplit(url)
    number = int(given.path.strip("/") or 0) - 1 - int(worker.removeprefix("gw"))
    if number < 1:
        raise ValueError(f"Below the database of {url} none is left for {worker}.")
    return given._replace(path=f"/{number}").geturl()


def virtual_host(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def make_virtual_hosts(url: str, workers: Sequence[str]) -> list[str]:
    """Let docker/services.sh make the virtual hosts; return why it could not, if it could not."""
    given = urlsplit(url)
    place = (given.hostname, given.port or 5672, given.username)
    if place not in MADE_FOR:
        return [
            f"docker/services.sh makes no virtual hosts on {place[0]}:{place[1]} for {place[2]}"
        ]
    names = " ".join(virtual_host(broker_url(url, worker)) for worker in workers)
    done = subprocess.run(  # noqa: S603 - a script of this project.
        [SERVICES_SCRIPT, "rabbitmq"],
        env={**os.environ, "TEST_VHOSTS": names},
        capture_output=True,
        text=True,
        check=False,
    )
    return [] if done.returncode == 0 else [f"docker/services.sh rabbitmq: {done.stderr.strip()}"]


# A wrapper runs before pytest-django's hook, which reads the settings.
@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Iterator[None]:
    """Point this process at its own servers, if it is one of several and uses servers."""
    if WORKER:
        # It needs the drivers of the servers, and a run without them does not.
        from tests import services  # noqa: PLC0415

        os.environ.update(BROKER_URL=services.BROKER_URL, REDIS_URL=services.REDIS_URL)
    yield
