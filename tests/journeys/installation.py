"""The real stack with a database, a virtual host and a Redis database of its own."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import redis
from kombu import Connection
from psycopg.conninfo import make_conninfo

from apps.notifications.broker import topology
from tests import services
from tests.fakes.fcm_server import FcmServer
from tests.fakes.proxy import Proxy
from tests.fakes.smtp_server import SmtpServer
from tests.journeys.http import Api, until
from tests.journeys.processes import BIN, ROOT, Process, free_port

ONE_PROCESS = ("--processes", "1")
ROLES = ("web", "email", "push", "scheduler", "recorder")


class Installation:
    """Web, workers, scheduler and recorder as processes, with fake providers.

    Attributes:
        root: The tree whose code runs.
        roles: The processes to start: ``email`` and ``push`` are workers for all lanes of their
            channel; a worker for other lanes is named by its lanes, separated by commas.
    """

    def __init__(
        self,
        folder: Path,
        *,
        root: Path = ROOT,
        roles: Sequence[str] = ROLES,
        **settings: str,
    ) -> None:
        self.folder = folder
        self.root = root
        self.roles = roles
        self.database = f"journeys_{uuid4().hex[:8]}"
        self.port = free_port()
        self.smtp = SmtpServer()
        self.fcm = FcmServer()
        # The processes connect to RabbitMQ through this proxy, so that a test can cut them off.
        self.broker = Proxy(target_port=urlsplit(services.BROKER_URL).port or 5672)
        self.settings = settings
        self.processes: dict[str, Process] = {}

    @property
    def database_url(self) -> str:
        head, _, _ = services.DATABASE_URL.rpartition("/")
        return f"{head}/{self.database}"

    @property
    def broker_url(self) -> str:
        given = urlsplit(services.BROKER_URL)
        address = f"{given.username}:{given.password}@127.0.0.1:{self.broker.port}"
        return given._replace(netloc=address).geturl()

    @property
    def env(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            "REDIS_URL": services.REDIS_URL,
            "SECRET_KEY": services.SECRET_KEY,
            "ALLOWED_HOSTS": "127.0.0.1",
            "EMAIL_PROVIDERS": "smtp",
            "PUSH_PROVIDERS": "fcm",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.smtp.port),
            "SMTP_TLS": "none",
            "FCM_SERVICE_ACCOUNT_FILE": str(self.folder / "service-account.json"),
            "FCM_API_URL": self.fcm.url,
            "RETRY_BASE_SECONDS": "1",
            "RETRY_MAX_SECONDS": "4",
            **self.settings,
        }

    def __enter__(self) -> Self:
        self.smtp.__enter__()
        self.fcm.__enter__()
        self.broker.__enter__()
        self.fcm.write_key_file(self.folder / "service-account.json")
        with psycopg.connect(services.DATABASE_URL, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{self.database}"')
        redis.Redis.from_url(services.REDIS_URL).flushdb()
        self.manage("migrate", "--verbosity", "0")
        self.manage("declare_queues")
        self.purge()
        for role in self.roles:
            self.start(role)
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
        self.broker.__exit__(None, None, None)
        self.fcm.__exit__(None, None, None)
        self.smtp.__exit__(None, None, None)
        with psycopg.connect(services.DATABASE_URL, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{self.database}" WITH (FORCE)')

    def command(self, role: str) -> Sequence[str]:
        match role:
            case "web":
                address = ["--host", "127.0.0.1", "--port", str(self.port)]
                return [f"{BIN}/python", "-m", "notifications_project.web", *address, *ONE_PROCESS]
            case "email" | "push":
                return self._worker(*(lane for lane in topology.LANES if lane.startswith(role)))
            case "scheduler":
                return [f"{BIN}/python", "manage.py", "run_scheduler"]
            case "recorder":
                return [f"{BIN}/python", "manage.py", "record_dead_letters"]
            case "flower":
                options = ("--enable_events=False", "--address=127.0.0.1", f"--port={free_port()}")
                return [f"{BIN}/celery", "-A", "notifications_project", "flower", *options]
            case lanes if set(lanes.split(",")) <= set(topology.WORKER_QUEUES):
                return self._worker(*lanes.split(","))
            case _:
                raise LookupError(role)

    def _worker(self, *lanes: str) -> Sequence[str]:
        worker = (f"{BIN}/celery", "-A", "notifications_project", "worker", "--concurrency", "1")
        return [*worker, "-Q", ",".join(lanes), "-n", f"{lanes[0]}-{uuid4().hex[:6]}@localhost"]

    def start(self, role: str, **env: str) -> Process:
        self.processes[role] = Process(
            *self.command(role),
            log=self.folder / f"{role}.log",
            env={**self.env, **env},
            cwd=self.root,
        )
        return self.processes[role]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Run a block without any process of this installation, and start them again after it."""
        for process in self.processes.values():
            process.kill()
        try:
            yield
        finally:
            for role in self.roles:
                self.start(role)
            self.wait_until_ready()

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Run a block in which another installation has the queues for itself.

        The workers of this one would take messages of the other, whose rows they do not know.
        """
        with self.stopped():
            self.purge()
            yield
            self.purge()

    def manage(self, *arguments: str, **env: str) -> str:
        """Run a manage.py command and return its output."""
        log = self.folder / f"manage-{uuid4().hex[:8]}.log"
        process = Process(
            f"{BIN}/python",
            "manage.py",
            *arguments,
            log=log,
            env={**self.env, **env},
            cwd=self.root,
        )
        until(lambda: not process.running, within=60, what=" ".join(arguments))
        printed = log.read_text()
        assert process._popen.returncode == 0, printed
        return printed

    def ready(self) -> dict[str, Any]:
        address = f"http://127.0.0.1:{self.port}/health/ready"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return dict(json.loads(answer.read()))
        except OSError:
            return {}

    def wait_until_ready(self) -> None:
        until(
            lambda: self.ready().get("status") == "ok",
            within=60,
            what=f"the installation to be ready: {self.ready()}",
        )

    def api(self, *, kind: str = "live", client: str = "shop") -> Api:
        printed = self.manage(
            "notify", "create-api-key", "--name", uuid4().hex, "--client", client, "--kind", kind
        )
        key = printed.strip().splitlines()[-1]
        return Api(base=f"http://127.0.0.1:{self.port}", key=key)

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(make_conninfo(self.database_url)) as connection:
            return connection.execute(sql, values).fetchall()

    def purge(self) -> None:
        """Empty every queue of the test virtual host."""
        channel: Any
        with Connection(services.BROKER_URL) as connection, connection.channel() as channel:
            delay_queues = [f"notifications.retry.{seconds}" for seconds in topology.DELAYS_SECONDS]
            for name in (*topology.SHOWN_QUEUES, *delay_queues):
                channel.queue_purge(name)
