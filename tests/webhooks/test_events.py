"""What is told when: each move of a notification, in the transaction of the move."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind
from apps.notifications.batches import materialize
from apps.notifications.dead_letters import store
from apps.notifications.intake import cancel
from apps.notifications.lifecycle.states import Status
from apps.notifications.lifecycle.transitions import advance
from apps.notifications.models import Notification
from apps.users import contacts, preferences
from apps.users.models import User
from apps.webhooks import event_types
from apps.webhooks.event_types import EVENT_TYPES
from apps.webhooks.models import Delivery
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.factories import TEST_CALLER, accepted, client_with, row_with_status
from tests.webhooks.factories import endpoint_of

pytestmark = pytest.mark.django_db


def told() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("event", flat=True))


def last() -> Delivery:
    found = Delivery.objects.order_by("pk").last()
    assert found is not None
    return found


@pytest.mark.usefixtures("endpoint")
def test_a_notification_tells_of_its_acceptance_and_its_ending(alice: User) -> None:
    row = accepted(alice, metadata={"order": "7"}, request_id="r-1")
    deliver_and_refresh(row)
    assert told() == ["notification.accepted", "notification.delivered"]
    delivery = last()
    data = delivery.data
    assert data["notification_id"] == str(row.pk)
    assert data["request_id"] == "r-1"
    assert data["correlation_id"] == row.correlation_id
    assert data["user_id"] == str(alice.pk)
    assert (data["notification_type"], data["template_code"]) == ("email", "welcome")
    assert (data["status"], data["reason"], data["provider"]) == ("delivered", None, "sandbox")
    assert data["metadata"] == {"order": "7"}
    assert delivery.wake_at is not None
    assert (delivery.user_id, delivery.notification_id) == (alice.pk, row.pk)


@pytest.mark.usefixtures("endpoint")
def test_no_event_has_content_variables_or_addresses(alice: User) -> None:
    deliver_and_refresh(accepted(alice, variables={"name": "Secretname", "link": "https://e.com/"}))
    for delivery in Delivery.objects.all():
        text = str(delivery.data)
        assert "Secretname" not in text
        assert str(alice.email) not in text
        assert "Welcome" not in text


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize(
    ("to", "reason"),
    [
        (Status.SENT, ""),
        (Status.DELIVERED, ""),
        (Status.BOUNCED, "hard_bounce"),
        (Status.FAILED, "rejected"),
        (Status.SKIPPED, "opted_out"),
        (Status.EXPIRED, "expired"),
    ],
)
def test_every_ending_is_told_with_its_reason(alice: User, to: Status, reason: str) -> None:
    row = row_with_status(alice, Status.SENDING)
    Delivery.objects.all().delete()
    rows = Notification.objects.filter(pk=row.pk)
    advance(rows, to=to, now=timezone.now(), reason=reason, provider="smtp")
    assert told() == [f"notification.{to.value}"]
    data = last().data
    assert (data["status"], data["reason"], data["provider"]) == (to.value, reason or None, "smtp")


@pytest.mark.usefixtures("endpoint")
def test_a_cancelled_notification_is_told(alice: User) -> None:
    row = accepted(alice)
    cancel.cancel(row)
    assert told() == ["notification.accepted", "notification.cancelled"]


@pytest.mark.usefixtures("endpoint")
def test_what_is_rolled_back_is_not_told(alice: User) -> None:
    row = row_with_status(alice, Status.SENDING)
    Delivery.objects.all().delete()
    with transaction.atomic():
        advance(Notification.objects.filter(pk=row.pk), to=Status.SENT, now=timezone.now())
        assert told() == ["notification.sent"]
        transaction.set_rollback(True)
    assert told() == []


@pytest.mark.usefixtures("endpoint")
def test_a_late_receipt_tells_the_stronger_word_after_the_weaker(alice: User) -> None:
    row = row_with_status(alice, Status.SENDING)
    Delivery.objects.all().delete()
    rows = Notification.objects.filter(pk=row.pk)
    for to in (Status.FAILED, Status.DELIVERED):
        advance(rows, to=to, now=timezone.now())
    advance(rows, to=Status.FAILED, now=timezone.now())
    assert told() == ["notification.failed", "notification.delivered"]


def test_a_client_is_told_of_its_own_notifications_of_its_kind_alone(
    alice: User, receiver: WebhookReceiver
) -> None:
    shop = endpoint_of(receiver)
    trying = endpoint_of(receiver, kind=Kind.TEST)
    endpoint_of(receiver, client="other")
    accepted(alice)
    accepted(alice, caller=TEST_CALLER)
    assert {row.endpoint_id: row.data["template_code"] for row in Delivery.objects.all()} == {
        shop.pk: "welcome",
        trying.pk: "welcome",
    }
    assert Delivery.objects.count() == 2


def test_an_endpoint_gets_the_types_that_it_asked_for(
    alice: User, receiver: WebhookReceiver
) -> None:
    endpoint_of(receiver, events=["notification.delivered"])
    deliver_and_refresh(accepted(alice))
    assert told() == ["notification.delivered"]


def test_two_endpoints_get_the_same_event_with_one_id(
    alice: User, receiver: WebhookReceiver
) -> None:
    endpoint_of(receiver)
    endpoint_of(receiver, events=["notification.accepted"])
    accepted(alice)
    first, second = Delivery.objects.all()
    assert first.event_id == second.event_id
    assert first.endpoint_id != second.endpoint_id


def test_a_star_does_not_mean_the_events_of_operators() -> None:
    everything = frozenset({"*"})
    for name, known in EVENT_TYPES.items():
        assert event_types.matches(name, subscribed=everything) is not known.for_operations


def test_without_a_webhook_no_statement_is_added(alice: User, receiver: WebhookReceiver) -> None:
    """With one of another client neither; with one of this client the insert has its rows too."""
    rows = [accepted(alice) for _ in range(20)]

    def statements() -> int:
        for row in rows:
            Notification.objects.filter(pk=row.pk).update(
                status=Status.PENDING, attempts=0, claim_id=None, wake_at=None
            )
            row.attempts = 0
        with CaptureQueriesContext(connection) as captured:
            deliver_and_refresh(*rows[:20])
        return len(captured)

    statements()  # What is read once for all is in the caches now.
    without = statements()
    endpoint_of(receiver, client="other")
    accepted(alice)  # Reads the endpoints.
    assert statements() == without
    endpoint_of(receiver)
    accepted(alice)
    before = Delivery.objects.count()
    together = connection.vendor == "postgresql"
    assert statements() == without + (0 if together else 1)
    assert Delivery.objects.count() == before + 20


@pytest.mark.usefixtures("endpoint")
def test_a_dead_letter_is_told_once(alice: User) -> None:
    row = row_with_status(alice, Status.FAILED, reason="rejected")
    Delivery.objects.all().delete()
    store.record_failed([row.pk])
    store.record_failed([row.pk])
    assert told() == ["dead_letter.created"]
    data = last().data
    assert data["notification_id"] == str(row.pk)
    assert data["reason"] == "rejected"
    assert data["dead_letter_id"]


@pytest.mark.usefixtures("endpoint")
def test_a_batch_that_is_made_is_told(alice: User, shop: APIClient) -> None:
    body = {
        "notification_type": "email",
        "template_code": "welcome",
        "variables": {"name": "Ada", "link": "https://example.com/"},
        "request_id": "b-1",
        "audience": {"all": True},
    }
    batch = shop.post("/api/v1/notifications/broadcast", body, format="json").json()["batch_id"]
    while materialize.make_slice():
        pass
    (delivery,) = Delivery.objects.filter(event="batch.finished")
    assert delivery.data["batch_id"] == batch
    assert delivery.data["accepted"] == User.objects.count()


def test_a_suppression_is_told_to_every_live_client_without_the_address(
    alice: User, receiver: WebhookReceiver
) -> None:
    endpoint_of(receiver, events=["address.suppressed"])
    endpoint_of(receiver, client="other")
    endpoint_of(receiver, kind=Kind.TEST)
    assert alice.email is not None
    contacts.suppress(email=alice.email, reason="complaint", source="sendgrid")
    contacts.suppress(email=alice.email, reason="complaint", source="sendgrid")
    assert told() == ["address.suppressed"] * 2
    data = last().data
    assert (data["user_id"], data["reason"], data["source"]) == (
        str(alice.pk),
        "complaint",
        "sendgrid",
    )
    assert alice.email not in str(data)


@pytest.mark.usefixtures("endpoint")
def test_a_change_of_preferences_is_told_with_what_the_user_wants_now(alice: User) -> None:
    preferences.merge(user_id=alice.pk, patch={"push": False})
    preferences.set_channel(user_id=alice.pk, channel="email", category="news", enabled=False)
    assert told() == ["preferences.changed"] * 2
    assert last().data["preferences"] == {
        "email": True,
        "push": False,
        "categories": {"news": {"email": False, "push": True}},
        "quiet_hours": None,
    }


@pytest.mark.usefixtures("endpoint")
def test_an_app_that_reports_an_opened_push_is_told_once(alice: User, shop: APIClient) -> None:
    row = row_with_status(alice, Status.SENT, channel="push", template_code="parcel", attempts=1)
    Delivery.objects.all().delete()
    body = {"notification_id": str(row.pk), "status": "opened"}
    for _ in range(2):
        answer = shop.post("/api/v1/receipts/push", body, format="json")
        assert answer.status_code < 300
    assert told() == ["notification.opened"]


@pytest.mark.usefixtures("endpoint")
def test_metadata_that_would_make_the_body_too_large_is_left_out(alice: User) -> None:
    accepted(alice, metadata={"text": "x" * 20_000})
    assert last().data["metadata"] == {}


@pytest.mark.usefixtures("endpoint")
def test_an_erased_user_leaves_no_delivery(alice: User, bob: User) -> None:
    accepted(alice, metadata={"name": "Ada"})
    accepted(bob)
    admin = client_with(client="shop")
    assert admin.delete(f"/api/v1/users/{alice.pk}").status_code == 204
    left = Delivery.objects.filter(user_id=alice.pk)
    assert all(row.event == "notification.skipped" for row in left)
    assert all(row.data["metadata"] == {} for row in left)
    assert Delivery.objects.filter(user_id=bob.pk).count() == 1


@pytest.mark.usefixtures("endpoint")
def test_a_repeated_request_is_accepted_once_and_told_once(alice: User) -> None:
    for _ in range(2):
        accepted(alice, request_id="same")
    assert told() == ["notification.accepted"]


def test_mails_about_accounts_are_told_to_nobody(alice: User, receiver: WebhookReceiver) -> None:
    endpoint_of(receiver, client="system")
    row = row_with_status(alice, Status.SENDING, recipient="ada@example.com")
    Notification.objects.filter(pk=row.pk).update(client="system")
    advance(Notification.objects.filter(pk=row.pk), to=Status.SENT, now=timezone.now())
    assert told() == []
