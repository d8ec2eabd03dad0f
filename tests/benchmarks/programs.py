"""Run the contenders as processes."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests import services
from tests.benchmarks import content
from tests.benchmarks.bench import CONTENDERS, Bench
from tests.benchmarks.cpu import Groups
from tests.benchmarks.processes import CONTENDERS_BIN, contenders_python, end
from tests.benchmarks.stack import BenchStack
from tests.benchmarks.wrk import Target
from tests.chaos.servers.base import MissingProgramError
from tests.journeys.http import until
from tests.journeys.processes import BIN, ROOT, Process, bare_environment, free_port

PACKAGE = "tests.benchmarks.contenders"
START_SECONDS = 30
RUN_SECONDS = 600


def environment(bench: Bench) -> dict[str, str]:
    """Return the environment variables with the addresses of servers and sinks for contenders."""
    return {
        "CONTENDER_DATABASE_URL": bench.url(CONTENDERS),
        "CONTENDER_BROKER_URL": bench.rabbitmq.url,
        "CONTENDER_SMTP_PORT": str(bench.smtp.port),
        # For contenders that use a part of our code.
        "ENV_FILE": "/dev/null",
        "SECRET_KEY": services.SECRET_KEY,
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": bench.url(CONTENDERS),
        "BROKER_URL": bench.rabbitmq.url,
        "REDIS_URL": bench.redis.url,
    }


def their_python() -> Path:
    """Return the interpreter that has the contenders' packages.

    Raises:
        MissingProgramError: The packages are not installed.
    """
    python = contenders_python()
    if python is None:
        raise MissingProgramError("The contenders' packages are not installed: use make bench.")
    return python


def run(bench: Bench, name: str, *words: str, theirs: bool = False, given: str = "") -> str:
    """Run a contender's module until it exits and return its output.

    Raises:
        RuntimeError: The module failed.
    """
    python = str(their_python() if theirs else sys.executable)
    done = subprocess.run(  # noqa: S603 - a program of this project.
        [python, "-m", f"{PACKAGE}.{name}", *words],
        cwd=ROOT,
        env={**bare_environment(), **environment(bench)},
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def serving(bench: Bench, *command: str, port: int) -> Iterator[Process]:
    """Run a contender's server until the block is left."""
    process = Process(*command, log=bench.folder / f"contender-{port}.log", env=environment(bench))
    try:
        until(lambda: _listens(port), within=START_SECONDS, what=f"{command[0]} to listen")
        yield process
    finally:
        end(process)


@contextmanager
def bare_django(bench: Bench, *, web: int) -> Iterator[Target]:
    """Serve the bare view with the same number of processes and threads as our own stack."""
    if not _made(bench, "bare_accepted"):
        run(bench, "bare_django")
    port = free_port()
    options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    options += ["--workers", str(web), "--blocking-threads", "8", "--log-level", "warning"]
    module = f"{PACKAGE}.bare_django:application"
    with serving(bench, f"{BIN}/granian", *options, module, port=port) as process:
        yield _target(bench, f"http://127.0.0.1:{port}/accept", {"web": process.pid})


@contextmanager
def fastapi_gateway(bench: Bench, *, web: int) -> Iterator[Target]:
    """Serve the lean gateway with the same number of processes."""
    if not _made(bench, "gateway_key"):
        known = {
            "key": bench.audience.key,
            "template_code": content.MAIL_TEMPLATE,
            "user_ids": bench.audience.user_ids,
        }
        run(bench, "fastapi_gateway", theirs=True, given=json.dumps(known))
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(web)]
    options += ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    module = f"{PACKAGE}.fastapi_gateway:app"
    their_python()
    uvicorn = f"{CONTENDERS_BIN}/uvicorn"
    with serving(bench, uvicorn, *options, "--no-access-log", module, port=port) as process:
        yield _target(bench, f"http://127.0.0.1:{port}/accept", {"web": process.pid})


def ours(bench: Bench, stack: BenchStack) -> Target:
    """Return our own endpoint as the target."""
    return _target(bench, f"{stack.base}/api/v1/notifications/", stack.groups())


def _target(bench: Bench, url: str, processes: Groups) -> Target:
    """Return a target with one body per user; without request_id, as no request is repeated."""
    bodies = [
        content.encoded(content.request("email", user, f"single-{number}"))
        for number, user in enumerate(bench.audience.user_ids)
    ]
    return Target(
        url=url,
        authorization=f"Api-Key {bench.audience.key}",
        bodies=bodies,
        processes=processes,
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _made(bench: Bench, table: str) -> bool:
    with psycopg.connect(bench.url(CONTENDERS)) as database:
        found = database.execute("SELECT to_regclass(%s)", [table]).fetchone()
        return found is not None and found[0] is not None


def migrate(bench: Bench) -> None:
    """Create our tables in the contenders' database, for contenders that insert into them."""
    if not _made(bench, "notifications_notification"):
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT,
            env={**bare_environment(), **environment(bench)},
            check=True,
            timeout=RUN_SECONDS,
        )


@contextmanager
def celery_worker(bench: Bench, *, concurrency: int) -> Iterator[Process]:
    """Run the Celery worker that sends each mail in its own task."""
    module = f"{PACKAGE}.celery_mail"
    words = [f"{BIN}/celery", "-A", module, "worker", "--concurrency", str(concurrency)]
    log = bench.folder / "contender-celery.log"
    process = Process(*words, log=log, env=environment(bench))
    try:
        yield process
    finally:
        end(process)
