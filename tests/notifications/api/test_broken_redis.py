"""No answer of a broken Redis is an internal error: limits are counted in the process."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.common.health import Health, Probe, check_cache
from apps.common.throttling import calls, costs
from apps.common.throttling.counters import Outage
from tests.fakes.loop import ServerThread
from tests.notifications.factories import body, client_with, person, template

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.embedded]

ANSWERS = [
    b"-NOAUTH Authentication required.\r\n",
    b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    b"-NOPERM this user has no permissions to run the 'eval' command\r\n",
    b"-LOADING Redis is loading the dataset in memory\r\n",
    b"-MISCONF Redis is configured to save RDB snapshots\r\n",
    b"-READONLY You can't write against a read only replica.\r\n",
    b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    b"-CLUSTERDOWN The cluster is down\r\n",
    b"-MOVED 3999 127.0.0.1:6381\r\n",
    b"-ERR DB index is out of range\r\n",
    b"-ERR unknown command 'EVAL'\r\n",
    b"-ERR max number of clients reached\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"220 mail.example.com ESMTP\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46\r\n",
    b"$-1\r\n",
    b"$many\r\n",
    b":many\r\n",
    b"*2\r\n:1\r\n",
    b"*0\r\n",
    b"$3\r\n\xff\xfe\xfd\r\n",
    b"+OK\r\n",
    b"",
]


class BrokenRedis(ServerThread):
    """Gives the same answer to everything; without one it closes the connection."""

    answer = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self.answer and await reader.read(65536):
            writer.write(self.answer)
        writer.close()


@pytest.fixture
def redis_that_answers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokenRedis]:
    with BrokenRedis() as server:
        use_redis(settings, monkeypatch, f"redis://127.0.0.1:{server.port}/0")
        yield server
        caches["default"].close()


def use_redis(settings: Any, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    settings.REDIS_URL = address
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": address,
            "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.3, "SOCKET_TIMEOUT": 0.3},
        }
    }
    monkeypatch.setattr(calls, "_calls", calls.CallLimiter())
    monkeypatch.setattr(costs._sending, "_outage", Outage(consequence="no Redis"))
    monkeypatch.setattr(costs._sending, "_leases", {})


def assert_everything_answers() -> None:
    template("welcome")
    alice = person("alice", password="correct horse battery")
    anybody = APIClient(raise_request_exception=False)
    login = {"email": alice.email, "password": "correct horse battery"}
    assert anybody.post("/api/v1/users/login", login, format="json").status_code == 200
    caller = client_with(*Scope)
    assert caller.post("/api/v1/notifications/", body(alice), format="json").status_code == 202
    assert caller.get("/api/v1/services/").status_code == 200


@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_redis_answers_a_send_and_a_login_go_through(
    redis_that_answers: BrokenRedis, answer: bytes
) -> None:
    redis_that_answers.answer = answer
    assert_everything_answers()
    assert Probe(name="cache", check=check_cache).run().status is Health.DEGRADED


@pytest.mark.parametrize(
    "address",
    [
        "redis://127.0.0.1:1/0",
        "redis://no-such-host.invalid:6379/0",
        "redis://a..b:6379/0",
        "unix:///nowhere/redis.sock",
        "rediss://127.0.0.1:1/0?ssl_ca_certs=/nowhere/ca.pem",
        "redis+sentinel://127.0.0.1/0",
        "127.0.0.1:6379",
        "redis://127.0.0.1:6379/abc?colour=red",
    ],
)
def test_whatever_the_address_of_redis_a_send_and_a_login_go_through(
    settings: Any, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    use_redis(settings, monkeypatch, address)
    assert_everything_answers()
