"""A RabbitMQ node for the tests, with its own cookie and its own port mapper."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from kombu import Connection

from tests.chaos.family import kill_family
from tests.chaos.servers.base import Server, program
from tests.journeys.processes import Process, bare_environment, free_port

# Debian's scripts without the wrapper that changes to the user of the system's own node.
PLACES = ("/usr/lib/rabbitmq/bin", "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin")
CONTROL_SECONDS = 60
CONNECT_SECONDS = 2


class Rabbitmq(Server):
    """One node without plugins."""

    name: ClassVar[str] = "rabbitmq"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._node = f"chaos-{uuid4().hex[:8]}@localhost"
        self._mapper_port = free_port()
        self._distribution_port = free_port()
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
        )
        (self.folder / "enabled_plugins").write_text("[].\n")
        self._mapper = Process(
            program("epmd"),
            "-port",
            str(self._mapper_port),
            "-address",
            "127.0.0.1",
            log=self.folder / "epmd.log",
            env={},
            cwd=self.folder,
        )

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def env(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
        }

    def command(self) -> Sequence[str]:
        return [program("rabbitmq-server", *PLACES)]

    def answers(self) -> bool:
        try:
            with self._connection() as connection:
                connection.connect()
        except OSError:
            return False
        return True

    def version(self) -> str:
        connection: Any
        with self._connection() as connection:
            connection.connect()
            return str(connection.connection.server_properties["version"])

    def control(self, *words: str) -> None:
        """Run ``rabbitmqctl``, which takes some seconds to start."""
        subprocess.run(  # noqa: S603 - RabbitMQ's own program.
            [program("rabbitmqctl", *PLACES), "--quiet", "--node", self._node, *words],
            cwd=self.folder,
            env={**bare_environment(), **self.env},
            check=True,
            capture_output=True,
            timeout=CONTROL_SECONDS,
        )

    def make_host(self, name: str) -> str:
        """Create another virtual host and return its URL."""
        self.control("add_vhost", name)
        self.control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        return f"{self.url.removesuffix('/')}{name}"

    def __exit__(self, *_: object) -> None:
        self.kill()
        kill_family(self._mapper.pid)

    def _connection(self) -> Connection:
        return Connection(
            self.url, connect_timeout=CONNECT_SECONDS, transport_options={"read_timeout": 5}
        )
