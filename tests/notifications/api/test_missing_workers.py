"""Readiness names the queues that need a worker and have none."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from apps.notifications.broker.topology import LANES
from apps.notifications.operations.heartbeat import HeartbeatThread
from apps.webhooks import subscriptions
from apps.webhooks.models import Endpoint
from tests.notifications.lanes import Lanes
from tests.webhooks.factories import registered_webhook

pytestmark = pytest.mark.django_db(transaction=True)


def beat(role: str, queues: tuple[str, ...]) -> None:
    HeartbeatThread(role=role, queues=queues).beat()


def workers(answer: Any) -> tuple[str, str]:
    (row,) = [row for row in answer.json()["checks"] if row["name"] == "workers"]
    return row["status"], row["detail"]


def test_readiness_names_lanes_without_a_worker(client: Client, lanes: Lanes) -> None:
    beat("worker", ("email", "email.bulk", "email.urgent", "push"))
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert workers(answer) == ("degraded", "no worker serves push.bulk, push.urgent")


@pytest.fixture
def webhook(db: None) -> Iterator[Endpoint]:
    """An endpoint that a client has registered."""
    yield registered_webhook()
    subscriptions.forget()


def test_a_missing_worker_of_the_webhooks_is_named_if_somebody_gets_any(
    client: Client, lanes: Lanes, webhook: Endpoint
) -> None:
    beat("worker", tuple(LANES))
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert workers(answer) == ("degraded", "no worker serves webhooks")
    beat("worker", (*LANES, "webhooks"))
    assert workers(client.get("/health/ready"))[0] == "ok"


def test_without_an_enabled_webhook_their_worker_is_not_missing(
    client: Client, lanes: Lanes, webhook: Endpoint
) -> None:
    beat("worker", tuple(LANES))
    Endpoint.objects.update(enabled=False)
    subscriptions.forget()
    assert workers(client.get("/health/ready")) == ("ok", "every queue has a worker")
