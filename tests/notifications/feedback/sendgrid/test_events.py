"""What each of SendGrid's events changes."""

from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from apps.common.channels import Channel
from apps.notifications.lifecycle import timeline
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import LetterState, Notification, Receipt
from apps.users.models import Suppression, User
from tests.fakes.sendgrid_events import EventSigner, event
from tests.notifications.dead_letters.letters import dead_letter
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, row_with_status
from tests.notifications.feedback.calls import Call, ending, wants


@pytest.mark.parametrize(
    ("kind", "fields", "stored", "status", "reason", "listed"),
    [
        ("processed", {}, "accepted", "sent", "", None),
        ("delivered", {"response": "250 OK"}, "delivered", "delivered", "", None),
        ("deferred", {"response": "451 4.3.0 later"}, "deferred", "sent", "", None),
        ("bounce", {"type": "bounce"}, "bounced", "bounced", "hard_bounce", "hard_bounce"),
        ("bounce", {"type": "blocked"}, "soft_bounced", "bounced", "soft_bounce", None),
        ("bounce", {"type": "expired"}, "soft_bounced", "bounced", "soft_bounce", None),
        ("blocked", {}, "soft_bounced", "bounced", "soft_bounce", None),
        ("dropped", {"reason": "Invalid SMTPAPI header"}, "dropped", "failed", "dropped", None),
        (
            "dropped",
            {"reason": "Bounced Address"},
            "bounced",
            "bounced",
            "hard_bounce",
            "hard_bounce",
        ),
        (
            "dropped",
            {"reason": "Spam Reporting Address"},
            "dropped",
            "failed",
            "complaint",
            "complaint",
        ),
        ("open", {"ip": "1.2.3.4"}, "opened", "sent", "", None),
        ("click", {"url": "https://example.com/a"}, "clicked", "sent", "", None),
        ("spamreport", {}, "complained", "sent", "", "complaint"),
        ("unsubscribe", {}, "unsubscribed", "sent", "", None),
        ("group_unsubscribe", {"asm_group_id": 1}, "group_unsubscribed", "sent", "", None),
        ("group_resubscribe", {"asm_group_id": 1}, "group_resubscribed", "sent", "", None),
        ("account_status_change", {}, "unknown", "sent", "", None),
        ("", {}, "unknown", "sent", "", None),
        (7, {}, "unknown", "sent", "", None),
    ],
)
def test_each_kind_of_event_is_stored_and_has_its_effect(
    sendgrid_events: EventSigner,
    mail: Call,
    kind: Any,
    fields: dict[str, Any],
    stored: str,
    status: str,
    reason: str,
    listed: str | None,
) -> None:
    row = mail()

    assert sendgrid_events.deliver(event(row.pk, kind, **fields)).status_code == 204

    assert [receipt.event for receipt in row.receipts.all()] == [stored]
    assert ending(row) == (status, reason)
    found = [(entry.reason, entry.source, entry.address) for entry in Suppression.objects.all()]
    assert found == ([(listed, "sendgrid", "alice@example.com")] if listed else [])


def test_the_words_of_a_mail_server_are_in_the_timeline_without_the_address(
    sendgrid_events: EventSigner, mail: Call
) -> None:
    row = mail()
    reason = "550 5.1.1 <alice@example.com> unknown\u0000\ud800"

    sendgrid_events.deliver(event(row.pk, "bounce", type="bounce", status="5.1.1", reason=reason))

    row.refresh_from_db()
    last = timeline.read(row)[-1]
    assert (last.provider, last.status) == ("sendgrid", "bounced")
    assert last.detail.startswith("5.1.1 550 5.1.1 <***> unknown")


def test_the_link_and_the_address_of_a_click_are_not_kept(
    sendgrid_events: EventSigner, mail: Call
) -> None:
    row = mail()
    given = {"url": "https://example.com/reset?token=secret", "ip": "1.2.3.4", "useragent": "x"}

    sendgrid_events.deliver(event(row.pk, "click", **given))

    assert [receipt.detail for receipt in row.receipts.all()] == [""]


@pytest.mark.parametrize("kinds", [("bounce", "delivered"), ("delivered", "bounce")])
@pytest.mark.parametrize("deliveries", [1, 2])
def test_events_have_the_same_result_in_any_order(
    sendgrid_events: EventSigner, mail: Call, kinds: tuple[str, str], deliveries: int
) -> None:
    row = mail()
    events = [event(row.pk, kind) for kind in kinds]

    for number in range(deliveries):
        sendgrid_events.deliver(*events[number::deliveries])

    assert ending(row) == ("delivered", "")
    assert row.receipts.count() == 2
    # A mail that came back after all is a reason not to send another one.
    assert Suppression.objects.count() == 1


def test_the_events_of_one_delivery_are_applied_by_their_times(
    sendgrid_events: EventSigner, mail: Call
) -> None:
    row = mail(Status.RETRYING)
    sendgrid_events.deliver(
        event(row.pk, "dropped", timestamp=1_795_348_900),
        event(row.pk, "processed", timestamp=1_795_348_800),
    )
    assert ending(row) == ("failed", "dropped")


def test_an_acceptance_ends_the_repetitions_of_a_mail_that_may_have_arrived(
    sendgrid_events: EventSigner, mail: Call
) -> None:
    row = mail(Status.RETRYING)

    sendgrid_events.deliver(event(row.pk, "processed"))

    assert ending(row) == ("sent", "")
    assert deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=1) == []
    row.refresh_from_db()
    assert (row.status, row.wake_at, row.attempts) == ("sent", None, 1)


@pytest.mark.parametrize(
    ("reason", "kind", "status", "state"),
    [
        ("unknown_outcome", "processed", "sent", LetterState.RESOLVED),
        ("unknown_outcome", "delivered", "delivered", LetterState.RESOLVED),
        ("rejected", "processed", "failed", LetterState.OPEN),
    ],
)
def test_a_failure_that_was_none_is_resolved(
    sendgrid_events: EventSigner, alice: User, reason: str, kind: str, status: str, state: str
) -> None:
    letter = dead_letter(alice, reason=reason)
    row = letter.notification
    assert row is not None
    Notification.objects.filter(pk=row.pk).update(attempts=1)

    sendgrid_events.deliver(event(row.pk, kind))

    letter.refresh_from_db()
    assert (ending(row)[0], letter.state) == (status, state)


def test_a_push_has_no_events_of_sendgrid(sendgrid_events: EventSigner, alice: User) -> None:
    row = accepted(alice, notification_type="push")
    Notification.objects.filter(pk=row.pk).update(status=Status.SENT, attempts=1)

    sendgrid_events.deliver(event(row.pk, "bounce"))

    assert ending(row) == ("sent", "")
    assert Receipt.objects.get().notification is None


@pytest.mark.parametrize("status", ["scheduled", "pending", "cancelled", "skipped", "expired"])
@pytest.mark.parametrize("kind", ["delivered", "bounce", "spamreport", "unsubscribe"])
def test_an_event_for_a_mail_that_was_never_sent_changes_nothing(
    sendgrid_events: EventSigner, alice: User, status: str, kind: str
) -> None:
    row = row_with_status(alice, Status(status))

    assert sendgrid_events.deliver(event(row.pk, kind)).status_code == 204

    assert ending(row)[0] == status
    assert (Suppression.objects.count(), row.receipts.count()) == (0, 0)
    assert wants(alice, "general") is True


def test_a_report_is_a_trace_of_a_call_that_was_never_recorded(
    sendgrid_events: EventSigner, alice: User
) -> None:
    # Its worker has died, and the first report ends it before the sweep finds that out.
    row = row_with_status(alice, Status.SENDING)
    sendgrid_events.deliver(event(row.pk, "dropped"))
    assert ending(row) == ("failed", "dropped")

    sendgrid_events.deliver(event(row.pk, "delivered"))

    assert ending(row) == ("delivered", "")


@pytest.mark.parametrize(
    "named",
    [
        None,
        "",
        "no id",
        5,
        ["x"],
        {"a": 1},
        str(UUID(int=0)),
        "0198f0c3-1100-7000-8000-000000000001",
        "\ud800",
    ],
)
def test_an_event_that_names_no_notification_is_kept(
    sendgrid_events: EventSigner, db: None, named: Any
) -> None:
    given = {**event(None, "delivered"), "notification_id": named}

    assert sendgrid_events.deliver(given).status_code == 204

    stored = Receipt.objects.get()
    assert (stored.notification, stored.event) == (None, "delivered")


@pytest.mark.parametrize("timestamp", [None, "soon", True, 1e300, -1e300, 10**30, [1]])
def test_an_event_without_a_usable_time_happened_now(
    sendgrid_events: EventSigner, mail: Call, timestamp: Any
) -> None:
    row, before = mail(), timezone.now()

    sendgrid_events.deliver(event(row.pk, "delivered", timestamp=timestamp))

    assert before <= row.receipts.get().occurred_at <= timezone.now()


@pytest.mark.parametrize("event_id", [None, "", 7, "x" * 300, "a\u0000b"])
def test_an_event_without_a_usable_id_is_recognised_by_all_that_it_says(
    sendgrid_events: EventSigner, mail: Call, event_id: Any
) -> None:
    row = mail()
    given = event(row.pk, "delivered", sg_event_id=event_id)

    assert sendgrid_events.deliver(given).status_code == 204
    sendgrid_events.deliver(given)
    sendgrid_events.deliver({**given, "event": "open"})

    assert [receipt.event for receipt in row.receipts.all()] == ["delivered", "opened"]
