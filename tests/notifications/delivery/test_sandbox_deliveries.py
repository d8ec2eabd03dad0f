"""One chunk from claim to record, delivered to the sandbox."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.common.channels import Channel
from apps.common.ids import new_id
from apps.notifications.delivery.settle import RETRY_GRACE
from apps.notifications.lifecycle import timeline
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, DeadLetter, Event, Notification
from apps.notifications.models.sandbox import SandboxMessage
from apps.templates.models import TemplateVersion
from apps.users import contacts, preferences
from apps.users.models import Device, User
from tests.notifications.delivering import deliver, deliver_and_refresh
from tests.notifications.factories import TEST_CALLER, accepted, person, template

pytestmark = pytest.mark.django_db


def events(row: Notification) -> list[tuple[str, str]]:
    return list(Event.objects.filter(notification=row).values_list("status", "detail"))


def test_a_mail_is_delivered_with_its_whole_timeline(alice: User) -> None:
    row = accepted(alice)
    assert deliver_and_refresh(row) == []
    assert (row.status, row.reason, row.attempts) == (Status.DELIVERED, "", 1)
    assert (row.wake_at, row.claim_id, row.claimed_until) == (None, None, None)
    sent = SandboxMessage.objects.get()
    assert (sent.recipient, sent.subject) == ("alice@example.com", "Welcome, Ada")
    assert sent.text == "Hello Ada, see https://example.com/a"
    assert sent.headers["Message-ID"] == f"<{row.pk}@example.com>"
    assert sent.headers["X-Correlation-ID"] == row.correlation_id
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.provider, attempt.outcome) == (1, "sandbox", "accepted")
    assert attempt.correlation_id == row.correlation_id
    entries = [(entry.status, entry.attempt, entry.provider) for entry in timeline.read(row)]
    assert entries == [
        ("pending", None, None),
        ("sending", 1, "sandbox"),
        ("sent", 1, "sandbox"),
        ("delivered", None, "sandbox"),
    ]


def test_a_push_reaches_every_device_and_each_call_is_an_attempt_of_round_one(
    welcome: None,
) -> None:
    dora = person("dora", tokens=("one", "two", "three"))
    row = accepted(dora, notification_type="push")
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.DELIVERED, 1)
    assert sorted(SandboxMessage.objects.values_list("recipient", flat=True)) == [
        "one",
        "three",
        "two",
    ]
    attempts = Attempt.objects.all()
    assert {attempt.number for attempt in attempts} == {1}
    assert {attempt.device_id for attempt in attempts} == {
        device.pk for device in Device.objects.all()
    }


def test_a_dead_address_bounces_and_is_suppressed(welcome: None) -> None:
    eve = person("eve", email="bounce@example.com")
    row = accepted(eve)
    assert deliver_and_refresh(row) == []
    assert (row.status, row.reason, row.attempts) == (Status.BOUNCED, "hard_bounce", 1)
    assert DeadLetter.objects.count() == 0
    second = accepted(eve)
    deliver_and_refresh(second)
    assert (second.status, second.reason, second.attempts) == (Status.SKIPPED, "suppressed", 0)
    assert SandboxMessage.objects.count() == 1


def test_a_dead_token_retires_its_device_and_no_other(welcome: None) -> None:
    dora = person("dora", tokens=("bounce-1", "good-1"))
    row = accepted(dora, notification_type="push")
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.SENT, 1)
    assert list(Device.objects.order_by("token").values_list("token", "retired_reason")) == [
        ("bounce-1", "unregistered"),
        ("good-1", ""),
    ]
    second = accepted(dora, notification_type="push")
    deliver_and_refresh(second)
    assert list(Attempt.objects.filter(notification=second).values_list("outcome", flat=True)) == [
        "accepted"
    ]


def test_a_bounce_of_a_test_does_not_affect_live_notifications(welcome: None) -> None:
    """The sandbox simulates the answers; the address and the token belong to a real user."""
    eve = person("eve", email="bounce@example.com", tokens=("bounce-1",))
    mail = accepted(eve, caller=TEST_CALLER)
    push = accepted(eve, caller=TEST_CALLER, notification_type="push")
    deliver_and_refresh(mail)
    deliver_and_refresh(push)
    assert (mail.status, push.status) == (Status.BOUNCED, Status.FAILED)
    contact = contacts.load_contacts([eve.pk])[eve.pk]
    assert not contact.suppressed
    assert [device.token for device in contact.devices] == ["bounce-1"]


def test_a_notification_for_a_user_who_was_just_erased_is_blanked(alice: User) -> None:
    row = accepted(alice, request_id="order-1", metadata={"order": 1})
    # Another process accepted it before it knew of the erasure.
    User.objects.filter(pk=alice.pk).update(erased_at=timezone.now())
    deliver_and_refresh(row)
    assert (row.status, row.reason) == (Status.SKIPPED, "user_erased")
    assert (row.variables, row.metadata, row.request_id) == ({}, {}, None)
    assert bytes(row.body_digest) == b""


def test_a_user_whose_tokens_are_all_dead_is_failed_as_unregistered(welcome: None) -> None:
    dora = person("dora", tokens=("bounce-1", "bounce-2"))
    row = accepted(dora, notification_type="push")
    deliver_and_refresh(row)
    assert (row.status, row.reason) == (Status.FAILED, "unregistered")
    second = accepted(dora, notification_type="push")
    deliver_and_refresh(second)
    assert (second.status, second.reason) == (Status.SKIPPED, "no_device")


def test_a_flaky_address_is_retried_and_then_delivered(welcome: None, settings: Any) -> None:
    settings.RETRY_BASE_SECONDS, settings.RETRY_MAX_SECONDS = 10.0, 600.0
    fred = person("fred", email="flaky@example.com")
    row = accepted(fred)
    before = timezone.now()
    again = deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.RETRYING, 1)
    assert row.next_attempt_at is not None
    assert 5 <= (row.next_attempt_at - before).total_seconds() <= 11
    assert row.wake_at == row.next_attempt_at + RETRY_GRACE
    (group,) = again
    assert (group.lane, group.attempt, group.ids) == ("email", 1, [row.pk])
    assert group.delay_seconds in {4, 8}
    assert events(row) == [("retrying", "transient: 451 4.3.0 Try again later.")]
    # Its message arrives early: the row is put into the next delay queue and spends no attempt.
    (early,) = deliver_and_refresh(row)
    assert (early.ids, early.attempt) == ([row.pk], 1)
    assert (row.status, row.attempts) == (Status.RETRYING, 1)
    Notification.objects.update(next_attempt_at=timezone.now())
    assert deliver_and_refresh(row) == []
    assert (row.status, row.attempts) == (Status.DELIVERED, 2)


def test_only_the_device_with_a_transient_error_is_tried_again(welcome: None) -> None:
    dora = person("dora", tokens=("flaky-1", "good-1"))
    row = accepted(dora, notification_type="push")
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.RETRYING, 1)
    Notification.objects.update(next_attempt_at=timezone.now())
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.DELIVERED, 2)
    flaky, good = Device.objects.order_by("token")
    calls = Attempt.objects.order_by("number").values_list("number", "device_id", "outcome")
    assert sorted(calls) == sorted(
        [(1, flaky.pk, "transient"), (1, good.pk, "accepted"), (2, flaky.pk, "accepted")]
    )


def test_a_device_that_is_removed_while_the_other_accepted_ends_in_sent(welcome: None) -> None:
    dora = person("dora", tokens=("flaky-1", "good-1"))
    row = accepted(dora, notification_type="push")
    deliver_and_refresh(row)
    Device.objects.filter(token="flaky-1").delete()
    Notification.objects.update(next_attempt_at=timezone.now())
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.SENT, 1)
    assert events(row)[-1] == ("sent", "the remaining devices are gone")


def test_the_last_attempt_ends_in_failed_with_a_dead_letter(welcome: None, settings: Any) -> None:
    settings.RETRY_MAX_ATTEMPTS = 1
    settings.EMBEDDED = True
    row = accepted(person("fred", email="flaky@example.com"))
    assert deliver_and_refresh(row) == []
    assert (row.status, row.reason, row.attempts) == (Status.FAILED, "attempts_exhausted", 1)
    letter = DeadLetter.objects.get()
    assert (letter.notification_id, letter.reason) == (row.pk, "attempts_exhausted")
    assert row.wake_at is None


def test_a_slow_address_takes_two_seconds_and_is_delivered(welcome: None) -> None:
    row = accepted(person("sam", email="slow@example.com"))
    started = time.monotonic()
    deliver_and_refresh(row)
    assert time.monotonic() - started >= 2
    assert row.status == Status.DELIVERED
    assert Attempt.objects.get().duration_ms == 2000


def test_a_test_notification_is_sent_only_to_the_sandbox(alice: User, settings: Any) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    settings.SMTP_HOST = "mail.example.com"
    row = accepted(alice, caller=TEST_CALLER)
    deliver_and_refresh(row)
    assert row.status == Status.DELIVERED
    assert Attempt.objects.get().provider == "sandbox"


ELIGIBILITY = [
    ("expired", Status.EXPIRED, "expired"),
    ("erased", Status.SKIPPED, "user_erased"),
    ("opted out", Status.SKIPPED, "opted_out"),
    ("opted out of the category", Status.SKIPPED, "opted_out"),
    ("no confirmed address", Status.SKIPPED, "no_address"),
    ("suppressed", Status.SKIPPED, "suppressed"),
    ("suppressed and critical", Status.SKIPPED, "suppressed"),
    ("opted out and critical", Status.DELIVERED, ""),
    ("quiet", Status.SCHEDULED, ""),
    ("quiet and urgent", Status.DELIVERED, ""),
    ("quiet and critical", Status.DELIVERED, ""),
    ("nothing", Status.DELIVERED, ""),
]


@pytest.mark.parametrize(("case", "status", "reason"), ELIGIBILITY)
def test_reasons_against_sending_are_checked_when_sending(
    alice: User, case: str, status: Status, reason: str
) -> None:
    template("alarm", critical=True)
    code = "alarm" if "critical" in case else "welcome"
    row = accepted(alice, template_code=code, priority=7 if "urgent" in case else 6)
    if case == "expired":
        Notification.objects.update(expires_at=timezone.now())
    if case == "erased":
        contacts.erase(alice.pk)
    if "opted out" in case:
        category = "general" if "category" in case else None
        contacts.set_channel(user_id=alice.pk, channel="email", category=category, enabled=False)
    if case == "no confirmed address":
        User.objects.filter(pk=alice.pk).update(email_confirmed_at=None)
    if "suppressed" in case:
        contacts.suppress(email="alice@example.com", reason="hard_bounce")
    if "quiet" in case:
        now = timezone.now()
        User.objects.filter(pk=alice.pk).update(
            quiet_from=(now - timedelta(hours=1)).time().replace(second=0, microsecond=0),
            quiet_to=(now + timedelta(hours=1)).time().replace(second=0, microsecond=0),
        )
    deliver_and_refresh(row)
    assert (row.status, row.reason) == (status, reason)
    assert SandboxMessage.objects.count() == (status is Status.DELIVERED)
    assert row.attempts == (status is Status.DELIVERED)
    if status is not Status.SCHEDULED:
        assert row.wake_at is None
    assert DeadLetter.objects.count() == 0


def test_opting_out_of_push_leaves_mail(alice: User) -> None:
    contacts.set_channel(user_id=alice.pk, channel="push", category=None, enabled=False)
    mail, push = accepted(alice), accepted(alice, notification_type="push")
    deliver_and_refresh(mail)
    deliver_and_refresh(push)
    assert mail.status == Status.DELIVERED
    assert (push.status, push.reason) == (Status.SKIPPED, "opted_out")


def test_quiet_hours_postpone_a_notification_to_their_end(alice: User) -> None:
    now = timezone.now()
    end = (now + timedelta(hours=2)).replace(second=0, microsecond=0)
    quiet = preferences.QuietHours(
        start=(now - timedelta(hours=1)).time().replace(second=0, microsecond=0), end=end.time()
    )
    User.objects.filter(pk=alice.pk).update(quiet_from=quiet.start, quiet_to=quiet.end)
    row = accepted(alice)
    deliver_and_refresh(row)
    assert (row.status, row.wake_at, row.next_attempt_at) == (Status.SCHEDULED, end, end)
    assert (row.claim_id, row.claimed_until, row.attempts) == (None, None, 0)
    assert events(row) == [("scheduled", "quiet hours")]


def test_a_row_that_cannot_be_composed_fails_alone(alice: User, bob: User) -> None:
    bad, good = accepted(alice), accepted(bob)
    # No code of this project stores such a value, but a database shell can.
    Notification.objects.filter(pk=bad.pk).update(variables=7)
    deliver(channel=Channel.EMAIL, ids=[bad.pk, good.pk], attempt=0)
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.reason, bad.attempts) == (Status.FAILED, "defect", 0)
    assert good.status == Status.DELIVERED


def test_a_template_error_fails_its_own_row_only(alice: User, settings: Any) -> None:
    settings.EMBEDDED = True
    template(
        "broken",
        content={"subject": "x", "body": "{{ number | divided_by: zero }}"},
    )
    bad = accepted(alice, template_code="broken", variables={"number": 1, "zero": 0})
    good = accepted(alice)
    deliver(channel=Channel.EMAIL, ids=[bad.pk, good.pk], attempt=0)
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.reason, bad.attempts) == (Status.FAILED, "template_error", 0)
    assert good.status == Status.DELIVERED
    assert DeadLetter.objects.get().reason == "template_error"


def test_a_deleted_template_version_fails_its_own_row_only(alice: User, settings: Any) -> None:
    settings.EMBEDDED = True
    bad, good = accepted(alice), accepted(alice)
    Notification.objects.filter(pk=bad.pk).update(template_version_id=new_id())
    deliver(channel=Channel.EMAIL, ids=[bad.pk, good.pk], attempt=0)
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.reason) == (Status.FAILED, "template_error")
    assert good.status == Status.DELIVERED


def test_stored_content_that_no_longer_parses_fails_its_own_row_only(
    alice: User, settings: Any
) -> None:
    settings.EMBEDDED = True
    template("other")
    bad, good = accepted(alice, template_code="other"), accepted(alice)
    version = TemplateVersion.objects.get(pk=bad.template_version_id)
    content = {**version.content, "body": "{% if %}"}
    TemplateVersion.objects.filter(pk=version.pk).update(content=content)
    deliver(channel=Channel.EMAIL, ids=[bad.pk, good.pk], attempt=0)
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.reason) == (Status.FAILED, "template_error")
    assert good.status == Status.DELIVERED
