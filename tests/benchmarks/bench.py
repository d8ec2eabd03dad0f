"""What a row runs on: servers of its own, sinks, recipients, and stacks."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self

import psycopg
from cryptography.hazmat.primitives import serialization
from kombu import Connection

from tests.benchmarks import audience
from tests.benchmarks.cpu import Groups
from tests.benchmarks.sinks import fcm
from tests.benchmarks.sinks.program import Sink
from tests.benchmarks.stack import BenchStack
from tests.chaos.servers.postgresql import ROLE, Postgresql
from tests.chaos.servers.rabbitmq import Rabbitmq
from tests.chaos.servers.redis import RedisServer
from tests.fakes.fcm_server import private_key

PROVIDER_LATENCY_SECONDS = 0.05
LANES = [
    f"{channel}{suffix}" for channel in ("email", "push") for suffix in (".urgent", "", ".bulk")
]
# Our database, the same one with many rows, and the database of the contenders.
EMPTY, STORED, CONTENDERS = ROLE, "stored", "contenders"
TABLE = "notifications_notification"
EMPTYING_TRIES = 10
UNFINISHED_AWAY = "DELETE FROM notifications_notification WHERE wake_at IS NOT NULL"


class Bench:
    """Starts servers and sinks, and always ends them when the block is left.

    Args:
        keep: Do not delete the folder with data and logs.
        people: Number of users; messages are sent to them in turn.

    Attributes:
        database: Name of the database with which stacks are started.
    """

    def __init__(self, *, keep: bool = False, people: int = audience.PEOPLE) -> None:
        self._keep, self._people = keep, people
        self._open = ExitStack()
        self._numbers = count(1)
        self.database = EMPTY

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _start(self) -> None:
        enter = self._open.enter_context
        self.folder = Path(
            tempfile.mkdtemp(prefix="bench-")
            if self._keep
            else enter(tempfile.TemporaryDirectory(prefix="bench-"))
        )
        # PostgreSQL runs as another system user and must be able to reach its folder in this one.
        self.folder.chmod(0o711)
        self.postgresql = enter(Postgresql(self.folder))
        self.redis = enter(RedisServer(self.folder))
        self.rabbitmq = enter(Rabbitmq(self.folder))
        self.smtp = enter(Sink("smtp", self.folder))
        latency = f"--latency={PROVIDER_LATENCY_SECONDS}"
        self.fcm = enter(Sink("fcm", self.folder, latency))
        self.sendgrid = enter(Sink("sendgrid", self.folder, latency))
        self.sinks = {
            "smtp": self.smtp,
            "fcm": self.fcm,
            "sendgrid": self.sendgrid,
            "webhook": enter(Sink("webhook", self.folder, "--latency=0")),
        }
        self._key_file = self.folder / "service-account.json"
        fcm.write_key_file(
            self._key_file, port=self.fcm.port, private_key_pem=service_account_pem()
        )
        self.make_database(CONTENDERS)
        with self.stack(web=1, email=0, push=0) as stack:
            self.audience = audience.gather(stack.api(), people=self._people)

    @contextmanager
    def stack(
        self,
        *,
        web: int = 2,
        email: int = 0,
        push: int = 0,
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[BenchStack]:
        """Run a stack with empty queues and without unfinished notifications."""
        self.clean()
        folder = self.folder / f"stack-{next(self._numbers)}"
        env = {**self._settings(), **(settings or {})}
        with BenchStack(folder, env, web=web, email=email, push=push) as stack:
            yield stack

    def clean(self) -> None:
        """Delete all messages from the broker, and all rows that a round must not start with."""
        with Connection(self.rabbitmq.url) as broker:
            for name in LANES:
                _purge(broker, name)
        if self.database == EMPTY:
            self.empty(EMPTY)
        else:
            with psycopg.connect(self.url(self.database), autocommit=True) as database:
                database.execute(UNFINISHED_AWAY)

    def empty(self, database: str) -> None:
        """Delete all notifications and batches from a database."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            found = connection.execute("SELECT to_regclass(%s)", [TABLE]).fetchone()
            if found is None or found[0] is None:
                return
            # A worker may still be recording its last chunk and take its locks in another order.
            for _ in range(EMPTYING_TRIES):
                try:
                    connection.execute(f"TRUNCATE {TABLE}, notifications_batch CASCADE")
                except psycopg.errors.DeadlockDetected:
                    continue
                return
            raise RuntimeError("The workers did not let the tables be emptied.")

    def url(self, database: str) -> str:
        """Return the URL of one of the databases."""
        return self.postgresql.url.rpartition("/")[0] + f"/{database}"

    def make_database(self, name: str, *, like: str = "template1") -> None:
        """Create a database as a copy of another one that has no connections at the moment."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as database:
            database.execute(f"CREATE DATABASE {name} TEMPLATE {like}")

    def groups(self, stack: BenchStack | None = None) -> Groups:
        """Return the root processes by kind; with a stack, include the processes of the stack."""
        servers = (self.postgresql, self.rabbitmq, self.redis)
        found = {server.name: server._process.pid for server in servers if server._process}
        found |= {f"{name} sink": sink.pid for name, sink in self.sinks.items()}
        return found | dict(stack.groups()) if stack is not None else found

    def _settings(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.url(self.database),
            "BROKER_URL": self.rabbitmq.url,
            "REDIS_URL": self.redis.url,
            "DEFAULT_FROM_EMAIL": "Shop <shop@bench.example>",
            "EMAIL_PROVIDERS": "smtp",
            "PUSH_PROVIDERS": "fcm",
            "SMTP_HOST": self.smtp.host,
            "SMTP_PORT": str(self.smtp.port),
            "SMTP_TLS": "none",
            "SENDGRID_API_URL": f"http://{self.sendgrid.host}:{self.sendgrid.port}",
            "SENDGRID_API_KEY": "SG.sink",
            "FCM_API_URL": f"http://{self.fcm.host}:{self.fcm.port}",
            "FCM_SERVICE_ACCOUNT_FILE": str(self._key_file),
        }


def _purge(broker: Connection, name: str) -> None:
    """Purge a queue that may not exist yet; the broker closes the channel if it does not exist."""
    channel: Any
    try:
        with broker.channel() as channel:
            channel.queue_purge(name)
    except broker.channel_errors:
        return


def service_account_pem() -> str:
    """Generate the private key of the push provider's service account."""
    return (
        private_key()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
