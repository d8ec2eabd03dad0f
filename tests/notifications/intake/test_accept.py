"""What is stored for a request: times, pinned content, deadlines, and the wake-up."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from apps.common.middleware.correlation import correlated
from apps.notifications.broker.publisher import FIRST_WAKE
from apps.notifications.intake import accept
from apps.notifications.intake.requests import SCHEDULE_MAX
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Event, Notification
from apps.templates import versions
from apps.templates.content import check
from apps.users.models import User
from tests.notifications.factories import (
    EMAIL,
    SHOP,
    TEST_CALLER,
    a_request,
    accepted,
    body,
    person,
)
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db
SEND = "/api/v1/notifications/"


def test_a_request_becomes_a_pending_row(alice: User) -> None:
    with correlated("corr-1"):
        row = accept.accept(
            a_request(alice, request_id="r", priority=7, metadata={"order": 42}), caller=SHOP
        ).notification
    row.refresh_from_db()
    assert (row.client, row.kind, row.request_id) == ("shop", "live", "r")
    assert (row.channel, row.user_id, row.template_code) == ("email", alice.pk, "welcome")
    assert (row.template_version, row.language) == (1, "en")
    assert (row.status, row.attempts, row.crashes, row.wakes) == (Status.PENDING, 0, 0, 0)
    assert (row.priority, row.metadata) == (7, {"order": 42})
    assert row.variables == {"name": "Ada", "link": "https://example.com/a"}
    assert row.correlation_id == "corr-1"
    assert row.lane == "email.urgent"


def test_the_sweep_checks_a_row_of_this_process_after_a_minute(
    alice: User,
    local_worker: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        row = accepted(alice)
    assert row.wake_at == row.created_at + FIRST_WAKE
    assert len(callbacks) == 1


@pytest.mark.embedded
def test_a_row_of_a_command_beside_the_embedded_process_is_due_at_once(
    alice: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        row = accepted(alice)
    assert row.wake_at == row.created_at
    assert callbacks == []


def test_a_refused_request_queues_nothing(
    shop: APIClient,
    alice: User,
    local_worker: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        assert_problem(shop.post(SEND, body(alice, variables={}), format="json"), 422)
        assert_problem(shop.post(SEND, body(alice, priority=10), format="json"), 400)
    assert callbacks == []
    assert Notification.objects.count() == 0


def test_a_schedule_waits_for_the_sweep(
    alice: User,
    local_worker: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    at = timezone.now() + timedelta(hours=1)
    with django_capture_on_commit_callbacks() as callbacks:
        row = accepted(alice, scheduled_for=at)
    assert (row.status, row.scheduled_for, row.wake_at) == (Status.SCHEDULED, at, at)
    assert callbacks == []


def test_a_schedule_in_the_past_means_now(shop: APIClient, alice: User) -> None:
    answer = shop.post(SEND, body(alice, scheduled_for="2020-01-01T00:00:00Z"), format="json")
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["scheduled_for"]) == ("pending", None)


def test_times_are_stored_in_utc(shop: APIClient, alice: User) -> None:
    asked = body(
        alice,
        scheduled_for="2027-01-01T00:30:00+05:30",
        expires_at="2027-06-01T00:00:00-08:00",
    )
    answer = shop.post(SEND, asked, format="json").json()
    assert answer["scheduled_for"] == "2026-12-31T19:00:00Z"
    assert answer["expires_at"] == "2027-06-01T08:00:00Z"
    row = Notification.objects.get()
    assert row.scheduled_for == datetime(2026, 12, 31, 19, tzinfo=UTC)


def test_a_schedule_more_than_a_year_away_is_a_400(shop: APIClient, alice: User) -> None:
    far = timezone.now() + SCHEDULE_MAX + timedelta(minutes=1)
    answer = shop.post(SEND, body(alice, scheduled_for=far.isoformat()), format="json")
    assert_problem(answer, 400)
    assert pointers(answer) == ["/scheduled_for"]
    assert Notification.objects.count() == 0


def test_the_template_version_is_pinned_on_acceptance(alice: User) -> None:
    row = accepted(alice)
    versions.write(
        code="welcome",
        content=check("email", EMAIL | {"subject": "Changed"}),
        language=None,
        author="tests",
        changes={},
    )
    later = accepted(alice)
    assert (row.template_version, later.template_version) == (1, 2)
    assert row.template_version_id != later.template_version_id


def test_the_requested_language_wins_over_the_users_locale(shop: APIClient, alice: User) -> None:
    for language in ("de", "pt"):
        versions.write(
            code="welcome",
            content=check("email", EMAIL),
            language=language,
            author="tests",
            changes={},
        )
    brazilian = person("bob", locale="pt-BR")
    assert accepted(brazilian).language == "pt"
    assert accepted(brazilian, language="de-AT").language == "de"
    assert accepted(brazilian, language="fr").language == "pt"
    assert accepted(alice, language="fr").language == "en"


def test_a_test_notification_is_stored_with_its_kind(alice: User) -> None:
    assert accepted(alice, caller=TEST_CALLER).kind == "test"


@pytest.mark.parametrize("status", sorted({Status.SCHEDULED, Status.PENDING, Status.RETRYING}))
def test_a_notification_that_was_not_sent_can_be_cancelled_for_good(
    shop: APIClient, alice: User, status: Status
) -> None:
    row = accepted(alice)
    Notification.objects.update(status=status)
    for _ in range(2):
        answer = shop.post(f"{SEND}{row.pk}/cancel")
        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["reason"]) == ("cancelled", "cancelled")
    row.refresh_from_db()
    assert (row.status, row.wake_at, row.next_attempt_at) == (Status.CANCELLED, None, None)
    assert list(Event.objects.values_list("status", "detail")) == [
        ("cancelled", "cancelled by the caller")
    ]


@pytest.mark.parametrize(
    "status",
    sorted(set(Status) - {Status.SCHEDULED, Status.PENDING, Status.RETRYING, Status.CANCELLED}),
)
def test_a_notification_in_flight_or_finished_cannot_be_cancelled(
    shop: APIClient, alice: User, status: Status
) -> None:
    row = accepted(alice)
    Notification.objects.update(status=status)
    assert_problem(shop.post(f"{SEND}{row.pk}/cancel"), 409)
    row.refresh_from_db()
    assert row.status == status
    assert Event.objects.count() == 0


REPLAYED = {Status.FAILED, Status.BOUNCED, Status.EXPIRED, Status.CANCELLED, Status.SKIPPED}


@pytest.mark.parametrize("status", sorted(REPLAYED))
def test_a_notification_that_was_not_delivered_can_be_replayed_as_a_new_one(
    shop: APIClient, alice: User, status: Status
) -> None:
    row = accepted(alice, request_id="r", priority=2, metadata={"order": 42})
    Notification.objects.update(status=status, expires_at=timezone.now(), attempts=12)
    answer = shop.post(f"{SEND}{row.pk}/replay", HTTP_X_CORRELATION_ID="again-1")
    assert answer.status_code == 202
    new = answer.json()
    assert new["replay_of"] == str(row.pk)
    assert new["id"] != str(row.pk)
    assert (new["status"], new["request_id"], new["expires_at"]) == ("pending", None, None)
    assert (new["priority"], new["template_version"]) == (2, 1)
    assert new["correlation_id"] == "again-1"
    made = Notification.objects.get(pk=new["id"])
    assert (made.client, made.kind, made.attempts) == ("shop", "live", 0)
    assert (made.metadata, made.variables) == ({"order": 42}, row.variables)
    assert made.template_version_id == row.template_version_id
    row.refresh_from_db()
    assert row.status == status


@pytest.mark.parametrize("status", sorted(set(Status) - REPLAYED))
def test_an_unfinished_or_delivered_notification_cannot_be_replayed(
    shop: APIClient, alice: User, status: Status
) -> None:
    row = accepted(alice)
    Notification.objects.update(status=status)
    assert_problem(shop.post(f"{SEND}{row.pk}/replay"), 409)
    assert Notification.objects.count() == 1


def test_a_replay_to_an_erased_user_is_a_422(
    shop: APIClient,
    alice: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    row = accepted(alice)
    with django_capture_on_commit_callbacks(execute=True):
        shop.delete(f"/api/v1/users/{alice.pk}")
    row.refresh_from_db()
    assert row.status == Status.SKIPPED
    assert_problem(shop.post(f"{SEND}{row.pk}/replay"), 422)
    assert Notification.objects.count() == 1
