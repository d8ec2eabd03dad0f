"""Addresses of PostgreSQL, RabbitMQ and Redis: those that work, and those that cannot be right."""

from collections.abc import Callable

import psycopg
import pytest
from kombu import Connection
from redis import ConnectionPool

from notifications_project.settings import server_addresses
from tests.settings.conftest import Start
from tests.settings.test_environment import SAFE, shown

DATABASES = [
    "postgres://u:p@db.example/name",
    "postgresql://u:p@db.example:5432/name?sslmode=require",
    "postgresql+psycopg://u:p@db.example/name",
    "postgres://u:p%40%2F%23@db.example/name",
    "postgres:///name?host=/run/postgresql",
    "postgres://%2Frun%2Fpostgresql/name",
    "postgres://u:p@[::1]:5432/name",
    "postgres://u:p@h1:5432,h2:5433/db?target_session_attrs=read-write",
    "postgres://u:p@h1,h2:5433/db",
    "sqlite:////tmp/file.sqlite3",
]
BROKERS = [
    "amqp://u:p@mq.example:5672/vhost",
    "amqps://u:p@mq.example//",
    "amqp://mq.example",
    "amqp://u:p@mq.example/vhost?heartbeat=30",
    "amqp://u:p@one.example;amqp://u:p@two.example",
]
CACHES = [
    "redis://cache.example:6379/0",
    "redis://cache.example",
    "redis://cache.example/",
    "redis://:p%40ss@cache.example:6379/15",
    "rediss://u:p@cache.example/1?ssl_cert_reqs=required",
    "redis://cache.example?db=3",
    "unix:///run/redis/redis.sock?db=1",
    "valkey://cache.example:6379/0",
    "valkeys://cache.example:6379/0",
    "redis://primary.example/0,redis://replica.example/0",
]
GOOD = [
    *((server_addresses.database, one) for one in DATABASES),
    *((server_addresses.broker, one) for one in BROKERS),
    *((server_addresses.redis, one) for one in CACHES),
]
BAD = [
    (server_addresses.database, "mysql://u:secret@h/db", "mysql:// is not supported"),
    (server_addresses.database, "postgresql+asyncpg://u:secret@h/db", "is not supported"),
    (server_addresses.database, "oracle://u:secret@h/db", "oracle:// is not supported"),
    (server_addresses.database, '"postgres://u:secret@h/db"', "quotation marks"),
    (server_addresses.database, "'postgres://u:secret@h/db'", "quotation marks"),
    (server_addresses.database, "u:secret@h:5432/db", "has no scheme"),
    (server_addresses.database, "host=h password=secret", "has no scheme"),
    (server_addresses.database, "postgres://u:secret@h:5432", "names no database"),
    (server_addresses.database, "postgres://u:secret@h:port/db", "port"),
    (server_addresses.database, "postgres://u:secret@h:70000/db", "port"),
    (server_addresses.database, "postgres://u:secret@h1:5432,h2:port/db", "port"),
    (server_addresses.database, "postgres://u:sec#ret@h/db", "%23"),
    (server_addresses.database, "postgres://u:secret@h/db?sslmod=require", "sslmod"),
    (server_addresses.database, "POSTGRES://u:secret@h/db", "small letters"),
    (server_addresses.database, "postgres://u:secret@[::1/db", "not a valid address"),
    (server_addresses.broker, "rabbit://u:secret@h/", "rabbit:// is not supported"),
    (server_addresses.broker, "rabbitmq://u:secret@h/", "rabbitmq:// is not supported"),
    (server_addresses.broker, "redis://:secret@h/0", "redis:// is not supported"),
    (server_addresses.broker, "sqs://u:secret@h", "sqs:// is not supported"),
    (server_addresses.broker, "'amqp://u:secret@h/'", "quotation marks"),
    (server_addresses.broker, "h:5672", "has no scheme"),
    (server_addresses.broker, "amqp://u:secret@h:port/", "port"),
    (server_addresses.broker, "amqp://u:secret@h/?heartbeat=soon", "heartbeat"),
    (server_addresses.broker, "amqp://u:secret@h/?heartbeat=", "heartbeat"),
    (server_addresses.broker, "amqp://u:secret@h/?hartbeat=30", "heartbeat is the only one"),
    (server_addresses.broker, "amqp://", "must name one host"),
    (server_addresses.redis, "redis+sentinel://:secret@h/0", "Sentinel is not supported"),
    (server_addresses.redis, "sentinel://h:26379/mymaster", "Sentinel is not supported"),
    (server_addresses.redis, "rediss+sentinel://h:26379/mymaster", "Sentinel is not supported"),
    (server_addresses.redis, "host:6379", "has no scheme"),
    (server_addresses.redis, "host", "has no scheme"),
    (server_addresses.redis, "redis://h/abc", "database is not a number"),
    (server_addresses.redis, "redis://h/0/1", "database is not a number"),
    (server_addresses.redis, "redis://h:port/0", "port"),
    (server_addresses.redis, "redis://h/?db=abc", "option"),
    (server_addresses.redis, "redis://h/0?colour=red", "option"),
    (server_addresses.redis, "redis:///0", "must name one host"),
    (server_addresses.redis, "http://u:secret@h", "http:// is not supported"),
    (server_addresses.redis, "memcached://h", "memcached:// is not supported"),
    (server_addresses.redis, '"redis://:secret@h/0"', "quotation marks"),
    (server_addresses.redis, "unix://", "names no socket"),
    (server_addresses.redis, "redis://h/0,h2:6379", "has no scheme"),
]

Judge = Callable[[str], str]


@pytest.mark.parametrize(("judge", "address"), GOOD)
def test_an_address_that_works_is_taken(judge: Judge, address: str) -> None:
    assert judge(address)


@pytest.mark.parametrize(("judge", "address", "reason"), BAD)
def test_an_address_that_cannot_be_right_is_refused_without_its_password(
    judge: Judge, address: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        judge(address)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("address", CACHES)
def test_the_client_of_redis_understands_what_is_taken(address: str) -> None:
    for one in server_addresses.redis(address).split(","):
        ConnectionPool.from_url(one).make_connection()


def test_valkey_is_spoken_to_as_redis() -> None:
    assert server_addresses.redis("valkey://h:1/2") == "redis://h:1/2"
    assert server_addresses.redis("valkeys://h:1/2") == "rediss://h:1/2"


@pytest.mark.parametrize("address", BROKERS)
def test_the_client_of_the_broker_understands_what_is_taken(address: str) -> None:
    assert Connection(server_addresses.broker_address(address)).transport_cls


def test_the_hosts_of_a_failover_are_given_to_libpq() -> None:
    config = server_addresses.database_config(
        "postgres://u:p%40@h1:5432,[::1]:5433/db?target_session_attrs=read-write"
    )
    assert config["HOST"] == "h1,::1"
    assert config["PORT"] == "5432,5433"
    assert (config["USER"], config["PASSWORD"], config["NAME"]) == ("u", "p@", "db")
    assert config["OPTIONS"] == {"target_session_attrs": "read-write"}
    psycopg.conninfo.make_conninfo(
        host=config["HOST"], port=config["PORT"], target_session_attrs="read-write"
    )


def test_a_host_without_a_port_has_the_default_one() -> None:
    config = server_addresses.database_config("postgres://u:p@h1,h2:5433/db")
    assert (config["HOST"], config["PORT"]) == ("h1,h2", ",5433")
    assert server_addresses.database_config("postgres://h1,h2/db")["PORT"] == ""


def test_the_heartbeat_in_the_address_of_the_broker_is_used(start: Start) -> None:
    names = ("CELERY_BROKER_URL", "CELERY_BROKER_HEARTBEAT")
    given = {"BROKER_URL": "amqp://u:p@h/vhost?heartbeat=30"}
    assert shown(start, *names, **SAFE, **given) == {
        "CELERY_BROKER_URL": "amqp://u:p@h/vhost",
        "CELERY_BROKER_HEARTBEAT": "30",
    }
    assert shown(start, "CELERY_BROKER_HEARTBEAT") == {"CELERY_BROKER_HEARTBEAT": "10"}
