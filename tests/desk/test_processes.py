"""The page of processes: what runs, what each queue holds, and what is gone."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.desk.home.processes import queues_of, roles_of
from apps.notifications.models import Heartbeat
from apps.notifications.operations import heartbeat
from apps.webhooks import subscriptions
from tests.desk.conftest import Login
from tests.webhooks.factories import registered_webhook

NAMES = {"host": "host-1", "pid": 7, "version": "1.0.0"}


def beat(role: str, *queues: str, ago: timedelta = timedelta(), **given: str) -> Heartbeat:
    return Heartbeat.objects.create(
        name=f"{role}@{given.get('host', 'host-1')}:7",
        role=role,
        queues=list(queues),
        seen_at=timezone.now() - ago,
        **{**NAMES, **given},
    )


@pytest.fixture
def viewer(login: Login) -> Client:
    return login("Viewer")


def test_each_queue_has_its_processes(db: None) -> None:
    worker = beat("worker-email", "email", "email.bulk")
    recorder = beat("dead-letter-recorder")

    queues = {
        one.name: one for one in queues_of({"email": 3, "push": 0, "failed": 1}, [worker, recorder])
    }

    assert queues["email"].served_by == [worker.name]
    assert queues["push"].served_by == []
    assert queues["failed"].served_by == [recorder.name]


def test_the_page_says_who_serves_what(viewer: Client) -> None:
    beat("worker-email", "email", "email.bulk")

    page = viewer.get(reverse("desk:processes")).content.decode()

    assert "worker-email@host-1:7" in page
    assert "nobody" in page
    assert "Two versions" not in page


def test_a_queue_that_nobody_serves_is_bad_unless_nobody_needs_it(db: None) -> None:
    depths = {"email": 0, "webhooks": 0, "failed": 0}

    def bad() -> list[str]:
        return [one.name for one in queues_of(depths, []) if one.is_bad]

    assert bad() == ["email", "failed"]
    registered_webhook()
    assert bad() == ["email", "webhooks", "failed"]
    subscriptions.forget()


def test_the_page_says_why_the_webhooks_need_no_worker(viewer: Client) -> None:
    page = viewer.get(reverse("desk:processes")).content.decode()

    assert "nobody, and no webhook is registered" in page


def test_a_process_that_stopped_reporting_is_named(viewer: Client) -> None:
    beat("worker-push", "push", ago=heartbeat.ALIVE_FOR + timedelta(minutes=1))
    beat("web", ago=heartbeat.FORGOTTEN_AFTER + timedelta(minutes=1))

    answer = viewer.get(reverse("desk:processes"))

    assert [one.role for one in answer.context["silent"]] == ["worker-push"]
    assert answer.context["running"] == []


def test_two_versions_at_a_time_are_said(viewer: Client) -> None:
    beat("web")
    beat("web", host="host-2", version="0.9.0")

    answer = viewer.get(reverse("desk:processes"))

    assert "Two versions" in answer.content.decode()
    [web] = roles_of(answer.context["running"])
    assert (web.running, web.versions) == (2, ["0.9.0", "1.0.0"])
