"""Endpoints that combine several apps: preview for a user, test send, erasure of a user."""

from typing import Any
from uuid import uuid4

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification, SandboxMessage
from apps.templates import versions
from apps.templates.content import check
from apps.users.models import Device, User
from tests.notifications.delivering import deliver
from tests.notifications.factories import EMAIL, VARIABLES, accepted, person, row_with_status
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db
TEMPLATES = "/api/v1/templates/"


@pytest.fixture
def portuguese(welcome: None) -> None:
    content = check("email", EMAIL | {"subject": "Bem-vinda, {{ name }}"})
    versions.write(code="welcome", content=content, language="pt", author="tests", changes={})


def preview(shop: APIClient, **asked: Any) -> Any:
    return shop.post(
        f"{TEMPLATES}welcome/preview", {"variables": VARIABLES, **asked}, format="json"
    )


def test_a_preview_shows_what_would_be_sent_and_sends_nothing(shop: APIClient) -> None:
    answer = preview(shop)
    assert answer.status_code == 200
    assert answer.json()["subject"] == "Welcome, Ada"
    assert Notification.objects.count() == 0


def test_a_preview_is_in_the_language_of_its_user(shop: APIClient, portuguese: None) -> None:
    brazilian = person("dora", locale="pt-BR")
    assert preview(shop).json()["subject"] == "Welcome, Ada"
    got = preview(shop, user_id=str(brazilian.pk)).json()
    assert (got["subject"], got["language"]) == ("Bem-vinda, Ada", "pt")


def test_a_preview_for_an_unknown_user_is_a_422(shop: APIClient) -> None:
    answer = preview(shop, user_id=str(uuid4()))
    assert_problem(answer, 422)
    assert pointers(answer) == ["/user_id"]


def test_a_test_send_goes_through_the_pipeline_with_the_highest_priority(
    shop: APIClient, alice: User
) -> None:
    asked = {"user_id": str(alice.pk), "variables": VARIABLES}
    answer = shop.post(f"{TEMPLATES}welcome/test-send", asked, format="json")
    assert answer.status_code == 202
    assert answer.json()["priority"] == 9
    row = Notification.objects.get()
    assert (row.channel, row.client, row.metadata) == ("email", "shop", {"test_send": True})
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    assert SandboxMessage.objects.get().recipient == "alice@example.com"


def test_a_test_send_by_staff_goes_to_their_own_address(charlie: User) -> None:
    caller = APIClient()
    caller.force_login(charlie)
    answer = caller.post(f"{TEMPLATES}welcome/test-send", {"variables": VARIABLES}, format="json")
    assert answer.status_code == 202
    assert Notification.objects.get().user_id == charlie.pk


def test_a_test_send_takes_the_templates_own_channel(shop: APIClient, alice: User) -> None:
    asked = {"user_id": str(alice.pk), "variables": {"number": 1}}
    answer = shop.post(f"{TEMPLATES}parcel/test-send", asked, format="json")
    assert answer.json()["notification_type"] == "push"


@pytest.mark.parametrize(
    ("code", "asked", "status", "pointer"),
    [
        ("welcome", {"variables": {}}, 400, "/user_id"),
        ("welcome", {"user_id": "x"}, 400, "/user_id"),
        ("welcome", {"user_id": str(uuid4()), "variables": {}}, 422, "/user_id"),
        ("welcome", {"nonsense": 1}, 400, "/nonsense"),
        ("welcome", {"variables": []}, 400, "/variables"),
        ("welcome", {"language": 1}, 400, "/language"),
        ("nowhere", {"variables": {}}, 404, None),
    ],
)
def test_a_bad_test_send_is_refused(
    shop: APIClient,
    alice: User,
    code: str,
    asked: dict[str, Any],
    status: int,
    pointer: str | None,
) -> None:
    if status == 404 or (status == 400 and pointer != "/user_id"):
        asked = {"user_id": str(alice.pk), **asked}
    answer = shop.post(f"{TEMPLATES}{code}/test-send", asked, format="json")
    assert_problem(answer, status)
    assert pointers(answer) == ([pointer] if pointer else [])
    assert Notification.objects.count() == 0


@pytest.mark.parametrize("language", ["english!", "x" * 40, "", "en_US"])
def test_a_test_send_in_an_invalid_language_is_a_400(
    shop: APIClient, alice: User, language: str
) -> None:
    asked = {"user_id": str(alice.pk), "variables": VARIABLES, "language": language}
    answer = shop.post(f"{TEMPLATES}welcome/test-send", asked, format="json")
    assert_problem(answer, 400)
    assert pointers(answer) == ["/language"]
    assert Notification.objects.count() == 0


def test_missing_variables_of_a_test_send_are_named(shop: APIClient, alice: User) -> None:
    asked = {"user_id": str(alice.pk), "variables": {"name": "Ada"}}
    answer = shop.post(f"{TEMPLATES}welcome/test-send", asked, format="json")
    assert_problem(answer, 422)
    assert pointers(answer) == ["/variables/link"]


def test_erasing_a_user_erases_what_was_sent_and_keeps_the_count(
    shop: APIClient,
    alice: User,
    bob: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    sent = accepted(alice, request_id="r", metadata={"order": 42})
    deliver(channel=Channel.EMAIL, ids=[sent.pk], attempt=0)
    waiting = [
        row_with_status(alice, status)
        for status in (Status.PENDING, Status.SCHEDULED, Status.RETRYING)
    ]
    others = accepted(bob)
    with django_capture_on_commit_callbacks(execute=True):
        assert shop.delete(f"/api/v1/users/{alice.pk}").status_code == 204
    assert Notification.objects.filter(user_id=alice.pk).count() == 4
    for row in Notification.objects.filter(user_id=alice.pk):
        assert (row.variables, row.metadata, row.request_id) == ({}, {}, None)
    for row in waiting:
        row.refresh_from_db()
        assert (row.status, row.reason, row.wake_at) == (Status.SKIPPED, "user_erased", None)
    sent.refresh_from_db()
    assert sent.status == Status.DELIVERED
    assert set(Attempt.objects.values_list("detail", "device_id")) == {("", None)}
    assert SandboxMessage.objects.count() == 0
    assert not Device.objects.filter(user=alice).exists()
    others.refresh_from_db()
    assert (others.status, others.variables) == (Status.PENDING, VARIABLES)
    assert_problem(shop.get(f"/api/v1/users/{alice.pk}"), 404)


def test_a_mail_in_flight_when_its_user_is_erased_leaves_no_data(
    shop: APIClient, alice: User
) -> None:
    row = row_with_status(alice, Status.SENDING)
    shop.delete(f"/api/v1/users/{alice.pk}")
    row.refresh_from_db()
    assert (row.status, row.variables) == (Status.SENDING, {})
