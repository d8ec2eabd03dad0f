"""A Redis server for the tests that keeps no data over a restart."""

from collections.abc import Sequence
from typing import ClassVar

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.servers.base import Server, program

TIMEOUT_SECONDS = 2


class RedisServer(Server):
    """A Redis server without persistence."""

    name: ClassVar[str] = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        address = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder))
        return [program("redis-server"), *address, "--save", "", "--appendonly", "no"]

    def answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def version(self) -> str:
        with self._client() as client:
            return str(client.info("server")["redis_version"])

    def flush(self) -> None:
        """Delete all data."""
        with self._client() as client:
            client.flushall()

    def _client(self) -> "Redis":
        return Redis.from_url(self.url, socket_timeout=TIMEOUT_SECONDS)
