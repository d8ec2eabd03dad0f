"""Rate limits of callers: the client address, login calls, and notifications by cost."""

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.cache import cache
from django.test import RequestFactory
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.testing import capture_logs

from apps.common.rest.problems import Problem
from apps.common.throttling import CostLimiter, client_address, count_call, parse_networks
from apps.common.throttling import counters as counters_module
from apps.common.throttling.addresses import UNKNOWN_ADDRESS
from apps.common.throttling.calls import CallLimiter
from apps.common.throttling.counters import Counter, LocalCounter, RedisCounter
from tests import services


@dataclass(frozen=True, kw_only=True)
class Rate:
    calls: int
    seconds: int


class Clock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def away() -> Redis:
    return Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0))


def limiter(rate: Rate, counter: Counter, clock: Clock) -> CostLimiter:
    return CostLimiter(policy="default", rate=lambda: rate, counter=lambda: counter, clock=clock)


def refusal(limited: CostLimiter, *, client: str, cost: int) -> Problem:
    with pytest.raises(Problem) as caught:
        limited.spend(client=client, cost=cost)
    assert caught.value.status_code == 429
    return caught.value


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.2,10.0.0.3", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, garbage", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("2001:db8:ffff::1", "198.51.100.7", "198.51.100.7"),
        ("", "198.51.100.7", UNKNOWN_ADDRESS),
        ("unix:", "", UNKNOWN_ADDRESS),
    ],
)
def test_the_client_address_is_taken_only_from_trusted_proxies(
    settings: Any, remote: str, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "2001:db8:ffff::1"]
    request = RequestFactory(REMOTE_ADDR=remote).get("/", headers={"X-Forwarded-For": forwarded})
    assert client_address(request) == address


def test_without_trusted_proxies_the_header_is_not_read(settings: Any) -> None:
    settings.TRUSTED_PROXIES = []
    request = RequestFactory(REMOTE_ADDR="10.0.0.1").get(
        "/", headers={"X-Forwarded-For": "1.2.3.4"}
    )
    assert client_address(request) == "10.0.0.1"


def test_a_trusted_proxy_that_is_not_an_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        parse_networks(("nonsense",))


def test_calls_are_counted_by_address_and_by_account(settings: Any) -> None:
    cache.clear()
    settings.TRUSTED_PROXIES = []
    settings.RATE_LIMIT_LOGIN = Rate(calls=2, seconds=3600)
    one, other = (RequestFactory(REMOTE_ADDR=f"192.0.2.{n}").post("/") for n in (1, 2))
    assert [count_call(one, group="login").remaining for _ in range(2)] == [1, 0]
    with pytest.raises(Problem) as caught:
        count_call(one, group="login")
    problem = caught.value
    assert problem.headers["RateLimit-Policy"] == '"login";q=2;w=3600'
    assert problem.headers["RateLimit"] == f'"login";r=0;t={problem.headers["Retry-After"]}'
    assert count_call(other, group="login").remaining == 1
    assert count_call(one, group="refresh").remaining == 1
    assert count_call(one, group="login", account="a@example.com").remaining == 1


def test_an_ipv6_network_of_64_bits_counts_as_one_address(settings: Any) -> None:
    cache.clear()
    settings.RATE_LIMIT_LOGIN = Rate(calls=5, seconds=3600)
    for number, left in ((1, 4), (2, 3)):
        request = RequestFactory(REMOTE_ADDR=f"2001:db8:0:1::{number}").post("/")
        assert count_call(request, group="login").remaining == left


def test_logins_stay_limited_while_the_cache_is_unreachable(settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
            "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.2},
        }
    }
    calls = CallLimiter()
    rate = Rate(calls=3, seconds=3600)
    request = RequestFactory().post("/")
    with capture_logs() as lines:
        left = [
            calls.count(request, group="login", subject="a", rate=rate).remaining for _ in range(3)
        ]
        with pytest.raises(Problem) as caught:
            calls.count(request, group="login", subject="a", rate=rate)
    assert left == [2, 1, 0]
    assert caught.value.status_code == 429
    assert len(lines) == 1


def test_a_window_has_a_quota_and_the_next_one_starts_empty() -> None:
    clock = Clock()
    limited = limiter(Rate(calls=10, seconds=60), LocalCounter(), clock)
    state = limited.spend(client="shop", cost=4)
    assert state.headers() == {
        "RateLimit-Policy": '"default";q=10;w=60',
        "RateLimit": '"default";r=6;t=60',
    }
    assert limited.spend(client="bank", cost=10).remaining == 0
    clock.now += 15
    problem = refusal(limited, client="shop", cost=7)
    assert problem.headers == {
        "Retry-After": "45",
        "RateLimit-Policy": '"default";q=10;w=60',
        "RateLimit": '"default";r=6;t=45',
    }
    assert limited.spend(client="shop", cost=6).remaining == 0
    refusal(limited, client="shop", cost=1)
    clock.now += 45
    assert limited.spend(client="shop", cost=1).remaining == 9


def test_a_call_larger_than_the_limit_gets_a_clear_refusal() -> None:
    limited = limiter(Rate(calls=10, seconds=60), LocalCounter(), Clock())
    problem = refusal(limited, client="shop", cost=11)
    assert str(problem.detail) == "One call may hold at most 10 recipients under this limit."


def test_most_calls_do_not_touch_the_shared_counter() -> None:
    class Watched(LocalCounter):
        taken = 0

        def take(self, key: str, **amounts: int) -> Any:
            self.taken += 1
            return super().take(key, **amounts)

    shared = Watched()
    limited = limiter(Rate(calls=60_000, seconds=60), shared, Clock())
    spent = 0
    while True:
        try:
            limited.spend(client="shop", cost=1)
        except Problem:
            break
        spent += 1
    assert spent == 60_000
    assert shared.taken < 800


def test_two_processes_share_a_window_to_within_one_percent() -> None:
    shared = LocalCounter()
    rate = Rate(calls=10_000, seconds=60)
    clock = Clock()
    one, other = (limiter(rate, shared, clock) for _ in range(2))
    other.spend(client="shop", cost=1)
    spent = 1
    while True:
        try:
            one.spend(client="shop", cost=1)
        except Problem:
            break
        spent += 1
    assert 9_900 <= spent <= 10_000


def test_without_redis_calls_are_admitted_and_logged_once_a_minute() -> None:
    clock = Clock()
    limited = limiter(Rate(calls=5, seconds=60), RedisCounter(away), clock)
    with capture_logs() as lines:
        for _ in range(30):
            limited.spend(client="shop", cost=1)
            clock.now += 1
        assert len(lines) == 1
        clock.now += 60
        limited.spend(client="shop", cost=1)
    assert [line["event"] for line in lines] == ["notifications are not limited: no Redis"] * 2


def test_the_number_of_counters_in_a_process_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters_module, "MAX_COUNTERS", 10)
    clock = Clock()
    counter = LocalCounter(clock)
    for number in range(100):
        counter.take(str(number), need=1, want=1, limit=5, seconds=60)
    assert len(counter._used) == 10
    assert counter.take("99", need=1, want=1, limit=5, seconds=60).left == 3


@pytest.fixture
def redis_key() -> Any:
    client = Redis.from_url(services.REDIS_URL)
    key = f"test:{uuid.uuid4()}"
    yield client, key
    client.delete(key)
    client.close()


@pytest.mark.services
def test_redis_counts_atomically_and_ignores_a_call_that_does_not_fit(redis_key: Any) -> None:
    client, key = redis_key
    counter = RedisCounter(lambda: client)
    amounts = {"limit": 10, "seconds": 60}
    first = counter.take(key, need=2, want=7, **amounts)
    assert (first.granted, first.left) == (7, 3)
    second = counter.take(key, need=4, want=4, **amounts)
    assert (second.granted, second.left) == (0, 3)
    third = counter.take(key, need=2, want=9, **amounts)
    assert (third.granted, third.left) == (3, 0)
    assert int(client.get(key)) == 10
    assert 0 < client.ttl(key) <= 60
