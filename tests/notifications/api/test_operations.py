"""Endpoints for operators: service discovery, health checks and metrics."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.health import shipped_migrations
from apps.notifications.broker.topology import LANES
from apps.notifications.flow_control import breakers
from apps.notifications.flow_control.breakers import Forced
from apps.notifications.models import Heartbeat, Notification
from apps.notifications.operations.heartbeat import HeartbeatThread
from apps.users.models import User
from tests.notifications.factories import accepted
from tests.notifications.lanes import Lanes
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db
SERVICES = "/api/v1/services/"


def checks(answer: Any) -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["status"], row["detail"]) for row in answer.json()["checks"]}


def beat(role: str, queues: tuple[str, ...] = (), **changes: Any) -> None:
    HeartbeatThread(role=role, queues=queues).beat()
    Heartbeat.objects.filter(role=role).update(**changes)


def test_running_processes_providers_and_queues_are_listed(shop: APIClient, lanes: Lanes) -> None:
    beat("worker", ("email", "email.bulk"))
    beat("scheduler", seen_at=timezone.now() - timedelta(seconds=40))
    lanes.fill("push.bulk", 2)
    got = shop.get(SERVICES).json()
    assert set(got) == {"processes", "providers", "queues"}
    (process,) = got["processes"]
    assert process["role"] == "worker"
    assert process["queues"] == ["email", "email.bulk"]
    assert process["version"] == project.VERSION
    assert set(process) == {
        "name",
        "role",
        "host",
        "pid",
        "version",
        "queues",
        "started_at",
        "seen_at",
    }
    assert [(one["name"], one["channel"], one["preference"]) for one in got["providers"]] == [
        ("sandbox", "email", 1),
        ("sandbox", "push", 1),
    ]
    assert {one["name"]: one["messages"] for one in got["queues"]} == {
        **dict.fromkeys(LANES, 0),
        "webhooks": 0,
        "failed": 0,
        "push.bulk": 2,
    }


def test_services_answer_without_a_broker(
    shop: APIClient, broker_unreachable: Callable[[], None]
) -> None:
    answer = shop.get(SERVICES)
    assert answer.status_code == 200
    assert {one["messages"] for one in answer.json()["queues"]} == {None}
    assert [one["name"] for one in answer.json()["queues"]] == [*LANES, "webhooks", "failed"]


def test_a_process_without_a_heartbeat_row_is_not_listed(shop: APIClient) -> None:
    heartbeat = HeartbeatThread(role="web")
    heartbeat.beat()
    assert [one["role"] for one in shop.get(SERVICES).json()["processes"]] == ["web"]
    Heartbeat.objects.all().delete()
    assert shop.get(SERVICES).json()["processes"] == []


def test_the_first_heartbeat_of_a_process_deletes_rows_older_than_an_hour(db: None) -> None:
    beat("gone", seen_at=timezone.now() - timedelta(hours=2))
    beat("web")
    assert list(Heartbeat.objects.values_list("role", flat=True)) == ["web"]


def test_a_heartbeat_is_one_statement_after_the_first(
    db: None, django_assert_num_queries: Any
) -> None:
    heartbeat = HeartbeatThread(role="web", queues=["email"])
    heartbeat.beat()
    Heartbeat.objects.update(seen_at=timezone.now() - timedelta(seconds=30), queues=[])
    with django_assert_num_queries(1):
        heartbeat.beat()
    row = Heartbeat.objects.get()
    assert timezone.now() - row.seen_at < timedelta(seconds=30)
    assert row.queues == ["email"]


def test_liveness_touches_nothing_outside_the_process(
    client: Client, django_assert_num_queries: Any, broker_unreachable: Callable[[], None]
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db(transaction=True)
def test_readiness_has_a_row_for_each_dependency(client: Client, lanes: Lanes) -> None:
    beat("worker", tuple(LANES))
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    got = answer.json()
    assert got["status"] == "ok"
    assert got["mode"] == ("embedded" if project.EMBEDDED else "distributed")
    assert list(checks(answer)) == [
        "database",
        "migrations",
        "cache",
        "broker",
        "workers",
        "backlog",
        "providers",
    ]
    assert {status for status, _ in checks(answer).values()} == {"ok"}
    assert all(row["latency_ms"] >= 0 for row in got["checks"])
    assert checks(answer)["database"] == ("ok", connection.vendor)
    assert checks(answer)["cache"][1] in {"LocMemCache", "RedisCache"}


@pytest.mark.django_db(transaction=True)
def test_an_unreachable_broker_is_a_degraded_row_and_not_a_503(
    client: Client, broker_unreachable: Callable[[], None]
) -> None:
    answer = client.get("/health/ready/")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert checks(answer)["broker"][0] == "degraded"


@pytest.mark.django_db(transaction=True)
def test_a_missing_migration_makes_readiness_a_503(client: Client, lanes: Lanes) -> None:
    applied = MigrationRecorder.Migration.objects.filter(app="notifications").latest("pk")
    MigrationRecorder.Migration.objects.filter(pk=applied.pk).delete()
    try:
        answer = client.get("/health/ready")
    finally:
        applied.save(force_insert=True)
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert checks(answer)["migrations"] == (
        "unavailable",
        "1 migrations have not been applied",
    )


@pytest.mark.django_db
def test_the_age_of_the_oldest_due_row_is_reported(alice: User, client: Client) -> None:
    accepted(alice)
    Notification.objects.update(wake_at=timezone.now() - timedelta(days=90))
    figures = client.get("/metrics").content.decode()
    found = re.search(r"^notifications_overdue_seconds (\S+)$", figures, re.MULTILINE)
    assert found is not None
    assert float(found[1]) // timedelta(days=1).total_seconds() == 90


def figure(text: str, line: str) -> float:
    found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def test_metrics_are_served_to_prometheus_on_loopback(client: Client, lanes: Lanes) -> None:
    beat("worker")
    lanes.fill("email", 3)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    text = answer.content.decode()
    assert figure(text, 'notifications_queue_messages{queue="email"}') == 3
    assert figure(text, 'notifications_queue_messages{queue="failed"}') == 0
    assert figure(text, 'notifications_processes{role="worker"}') == 1
    assert figure(text, "notifications_overdue_seconds") == 0


def test_metrics_show_breakers_and_limits(client: Client, settings: Any) -> None:
    settings.EMAIL_PROVIDERS, settings.PUSH_PROVIDERS = ["smtp", "sandbox"], ["fcm"]
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 14.0}
    breakers.force(["fcm:ios"], Forced.OPEN)

    text = client.get("/metrics").content.decode()

    states = {
        (provider, platform, state): figure(
            text,
            f'notifications_breaker_state{{platform="{platform}",provider="{provider}",'
            f'state="{state}"}}',
        )
        for provider, platform in (("smtp", ""), ("fcm", "android"), ("fcm", "ios"), ("fcm", "web"))
        for state in ("closed", "half_open", "open")
    }
    assert {key for key, value in states.items() if value} == {
        ("smtp", "", "closed"),
        ("fcm", "android", "closed"),
        ("fcm", "ios", "open"),
        ("fcm", "web", "closed"),
    }
    forced = 'notifications_breaker_forced{platform="%s",provider="fcm"}'
    assert (figure(text, forced % "ios"), figure(text, forced % "web")) == (1, 0)
    assert figure(text, 'notifications_provider_rate_limit{provider="smtp"}') == 14
    assert figure(text, 'notifications_provider_paused{provider="fcm"}') == 0
    assert 'rate_limit{provider="fcm"}' not in text
    assert "sandbox" not in text


def test_metrics_are_refused_to_unauthenticated_callers(client: Client) -> None:
    assert_problem(client.get("/metrics", REMOTE_ADDR="192.0.2.1"), 403)
    assert_problem(client.get("/metrics", REMOTE_ADDR="nonsense"), 403)


def test_a_forwarded_address_is_not_trusted(client: Client, settings: Any) -> None:
    settings.TRUSTED_PROXIES = []
    answer = client.get("/metrics", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="127.0.0.1")
    assert_problem(answer, 403)


FORWARDING = [
    {"HTTP_X_FORWARDED_FOR": "192.0.2.1"},
    {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
    {"HTTP_X_FORWARDED_FOR": ""},
    {"HTTP_X_FORWARDED_PROTO": "https"},
    {"HTTP_X_FORWARDED_HOST": "notifications.example.com"},
    {"HTTP_X_FORWARDED_PREFIX": "/"},
    {"HTTP_X_REAL_IP": "127.0.0.1"},
    {"HTTP_FORWARDED": "for=127.0.0.1"},
    {"HTTP_FORWARDED": "proto=https"},
]


@pytest.mark.parametrize("named", [[], ["10.0.0.0/8"]])
@pytest.mark.parametrize("headers", FORWARDING, ids=str)
def test_a_caller_behind_an_untrusted_local_proxy_does_not_count_as_loopback(
    client: Client, settings: Any, headers: dict[str, Any], named: list[str]
) -> None:
    settings.TRUSTED_PROXIES = named
    assert_problem(client.get("/metrics", REMOTE_ADDR="127.0.0.1", **headers), 403)
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": "::1, 10.0.0.7", "HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_FORWARDED": 'for="[::1]:4711";proto=https'},
    ],
    ids=str,
)
@pytest.mark.parametrize("proxy", ["127.0.0.1", "10.0.0.7"])
def test_a_trusted_proxy_may_forward_for_loopback(
    client: Client, settings: Any, headers: dict[str, Any], proxy: str
) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1", "10.0.0.0/8"]
    assert client.get("/metrics", REMOTE_ADDR=proxy, **headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_X_FORWARDED_FOR": "192.0.2.1"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.1, 127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1, 192.0.2.1"},
        {"HTTP_X_FORWARDED_FOR": "unknown"},
        {"HTTP_X_FORWARDED_FOR": ""},
        {"HTTP_X_FORWARDED_FOR": "10.0.0.7"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_X_REAL_IP": "192.0.2.1"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_X_REAL_IP": "192.0.2.1"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_FORWARDED": "for=192.0.2.1"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_FORWARDED": "for=127.0.0.1,For=192.0.2.1"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_FORWARDED": "proto=https"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
    ],
    ids=str,
)
def test_a_trusted_proxy_gives_no_other_address_access_to_metrics(
    client: Client, settings: Any, headers: dict[str, Any]
) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1", "10.0.0.0/8"]
    assert_problem(client.get("/metrics", REMOTE_ADDR="127.0.0.1", **headers), 403)


@pytest.fixture
def with_token(settings: Any, client: Client) -> Callable[..., Any]:
    settings.METRICS_TOKEN = "secret-of-prometheus"

    def get(authorization: str = "") -> Any:
        return client.get("/metrics", REMOTE_ADDR="192.0.2.1", HTTP_AUTHORIZATION=authorization)

    return get


def test_a_token_gives_access_to_metrics_from_any_address(with_token: Callable[..., Any]) -> None:
    assert with_token("Bearer secret-of-prometheus").status_code == 200
    for wrong in ("", "Bearer nonsense", "Bearer sécret"):
        assert_problem(with_token(wrong), 403)


@pytest.mark.parametrize("headers", FORWARDING, ids=str)
def test_the_token_gives_access_to_metrics_behind_any_proxy(
    client: Client, settings: Any, headers: dict[str, Any]
) -> None:
    settings.METRICS_TOKEN = "secret-of-prometheus"
    settings.TRUSTED_PROXIES = []
    headers = {**headers, "HTTP_AUTHORIZATION": "Bearer secret-of-prometheus"}
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1", **headers).status_code == 200


def test_metrics_answer_without_a_broker(
    client: Client, broker_unreachable: Callable[[], None]
) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert b"notifications_queue_messages{" not in answer.content


def test_the_migrations_that_the_code_has_are_those_that_migrate_knows() -> None:
    graph = MigrationExecutor(connection).loader.graph
    assert shipped_migrations() == set(graph.nodes)
