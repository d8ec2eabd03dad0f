"""A password reset mail passes through the same pipeline as every notification, and arrives."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.notifications.broker import publisher
from apps.notifications.flow_control import breakers
from apps.notifications.flow_control.breakers import Forced
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification
from apps.notifications.scheduler.sweep import sweep
from apps.templates.rendering import builtin
from apps.users import contacts, password_resets, preferences
from apps.users.mail import AccountText
from apps.users.models import Suppression, User
from tests.fakes.sendgrid_server import SendGridServer
from tests.fakes.smtp_server import DROP, SmtpServer
from tests.notifications.delivering import deliver
from tests.notifications.factories import (
    SEPARATE_COUNTS,
    accepted,
    client_with,
    make_overdue,
    person,
)
from tests.notifications.intake.account_mails.account_mail_helpers import (
    deliver_due,
    post_reset,
    request_reset,
    send_confirmation,
    text_of,
    token_in,
)
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db


def test_a_202_means_that_the_mail_is_stored(alice: User, settings: Any) -> None:
    before = timezone.now()
    assert post_reset("ALICE@example.com").status_code == 202
    row = Notification.objects.get()
    assert (row.client, row.kind, row.priority, row.lane) == ("system", "live", 9, "email.urgent")
    assert (row.status, row.user_id, row.recipient) == ("pending", alice.pk, "alice@example.com")
    assert row.expires_at is not None
    lifetime = timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    assert before + lifetime <= row.expires_at <= timezone.now() + lifetime


def test_a_worker_is_woken_by_the_urgent_lane_once_it_is_committed(
    alice: User, lanes: Lanes, local_worker: None, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        row = request_reset(alice)
        assert lanes.take() == []
    assert publisher._publisher.flush()
    assert lanes.take() == [("email.urgent", "notifications.deliver_email", [str(row.pk)], 0)]


def test_a_451_costs_an_attempt_and_the_mail_arrives(alice: User, smtp: SmtpServer) -> None:
    smtp.answer("rcpt", "451 4.3.0 Try again later", times=1)
    row = deliver_due(request_reset(alice))
    assert (row.status, row.attempts, smtp.mails) == (Status.RETRYING, 1, [])
    row = deliver_due(row)
    assert (row.status, row.attempts) == (Status.SENT, 2)
    (mail,) = smtp.mails
    assert mail.recipient == "alice@example.com"
    token = token_in(text_of(mail.parsed))
    assert password_resets.owner_of(token) == alice


def test_a_process_that_dies_loses_nothing(alice: User, smtp: SmtpServer) -> None:
    row = request_reset(alice)
    make_overdue(row)
    assert sweep() == 1
    assert deliver_due(row).status == Status.SENT
    assert len(smtp.mails) == 1


def test_a_mail_with_a_lost_answer_is_repeated_under_the_same_message_id(
    alice: User, smtp: SmtpServer
) -> None:
    smtp.answer("end", DROP, times=1)
    row = deliver_due(request_reset(alice))
    assert row.status == Status.RETRYING
    assert list(Attempt.objects.values_list("outcome", flat=True)) == ["unknown"]
    assert deliver_due(row).status == Status.SENT
    assert {mail.parsed["Message-ID"] for mail in smtp.mails} == {f"<{row.pk}@example.com>"}


def test_the_next_provider_is_used_while_the_breaker_of_the_first_is_open(
    alice: User, smtp: SmtpServer, sendgrid_server: SendGridServer, settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp", "sendgrid"]
    breakers.force(["smtp"], Forced.OPEN)
    assert deliver_due(request_reset(alice)).status == Status.SENT
    assert smtp.mails == []
    (mail,) = sendgrid_server.mails
    assert mail["personalizations"] == [{"to": [{"email": "alice@example.com"}]}]


def test_it_waits_for_an_open_breaker_without_spending_an_attempt(
    alice: User, smtp: SmtpServer
) -> None:
    breakers.force(["smtp"], Forced.OPEN)
    row = deliver_due(request_reset(alice))
    assert (row.status, row.attempts) == (Status.RETRYING, 0)
    breakers.force(["smtp"], Forced.CLOSED)
    assert deliver_due(row).status == Status.SENT


def test_wrong_credentials_keep_the_account_mail(alice: User, smtp: SmtpServer) -> None:
    smtp.answer("mail", "530 5.7.0 Authentication required", times=1)
    row = deliver_due(request_reset(alice))
    assert (row.status, row.attempts, row.recipient) == (Status.RETRYING, 0, "alice@example.com")


def test_neither_opt_outs_nor_quiet_hours_delay_an_account_mail(
    alice: User, smtp: SmtpServer
) -> None:
    preferences.set_channel(user_id=alice.pk, channel="email", category=None, enabled=False)
    preferences.set_channel(user_id=alice.pk, channel="email", category="account", enabled=False)
    User.objects.filter(pk=alice.pk).update(quiet_from="00:00", quiet_to="23:59")
    assert deliver_due(request_reset(alice)).status == Status.SENT
    (mail,) = smtp.mails
    assert mail.parsed["List-Unsubscribe"] is None


def test_a_suppressed_address_is_not_written_to(alice: User, smtp: SmtpServer) -> None:
    """Anyone may request a reset, so a dead mailbox would receive mail from us repeatedly."""
    contacts.suppress(email="alice@example.com", reason="hard_bounce")
    row = deliver_due(request_reset(alice))
    assert (row.status, row.reason, smtp.mails) == (Status.SKIPPED, "suppressed", [])
    Suppression.objects.all().delete()
    assert deliver_due(request_reset(alice)).status == Status.SENT


def test_the_suppression_list_is_checked_for_the_recipient_on_the_row(
    alice: User, smtp: SmtpServer
) -> None:
    contacts.suppress(email="alice@example.com", reason="hard_bounce")
    assert deliver_due(send_confirmation(alice, "new@example.com")).status == Status.SENT
    contacts.suppress(email="Later@example.com", reason="hard_bounce")
    assert deliver_due(send_confirmation(alice, "later@example.com")).reason == "suppressed"
    assert [mail.recipient for mail in smtp.mails] == ["new@example.com"]


def test_the_mail_is_sent_to_the_recipient_on_the_row_even_if_the_account_changed(
    alice: User, smtp: SmtpServer
) -> None:
    row = request_reset(alice)
    alice.email, alice.email_confirmed_at = "eve@example.com", timezone.now()
    alice.save()
    assert deliver_due(row).status == Status.SENT
    assert [mail.recipient for mail in smtp.mails] == ["alice@example.com"]


def test_an_unconfirmed_address_receives_its_confirmation_link(
    welcome: None, smtp: SmtpServer
) -> None:
    dora = person("dora", email_confirmed_at=None)
    assert deliver_due(accepted(dora)).reason == "no_address"
    assert deliver_due(send_confirmation(dora, "dora@example.com")).status == Status.SENT


def test_a_chunk_may_contain_account_mails_and_other_mails(alice: User, smtp: SmtpServer) -> None:
    own, usual = send_confirmation(alice, "new@example.com"), accepted(alice, priority=9)
    deliver(channel=Channel.EMAIL, ids=[own.pk, usual.pk], attempt=0)
    subjects = {mail.recipient: mail.parsed["Subject"] for mail in smtp.mails}
    assert subjects == {
        "new@example.com": "Confirm your e-mail address",
        "alice@example.com": "Welcome, Ada",
    }


@pytest.mark.parametrize("count", [1, 20])
def test_a_chunk_costs_the_same_number_of_statements_whatever_its_size(
    welcome: None, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    rows = [send_confirmation(person(f"user{place}"), "new@example.com") for place in range(count)]
    # As in tests/notifications/delivery/test_query_counts.py, but with a query of the suppression
    # list for the recipients instead of the query for template versions.
    with django_assert_num_queries(13 + SEPARATE_COUNTS):
        deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)
    assert Notification.objects.filter(status=Status.DELIVERED, recipient="").count() == count


def test_a_dead_recipient_is_suppressed_and_not_the_address_of_the_account(
    alice: User, smtp: SmtpServer
) -> None:
    smtp.answer("rcpt", "550 5.1.1 No such user", recipient="new@example.com")
    row = deliver_due(send_confirmation(alice, "new@example.com"))
    assert (row.status, row.reason) == (Status.BOUNCED, "hard_bounce")
    assert contacts.suppressed(["new@example.com", "alice@example.com"]) == {"new@example.com"}


@pytest.mark.parametrize("record", ["written", "lost"])
def test_a_bounce_that_is_reported_later_suppresses_the_recipient(
    alice: User, smtp: SmtpServer, record: str
) -> None:
    row = send_confirmation(alice, "new@example.com")
    if record == "written":
        deliver_due(row)
    else:
        # The worker died after the call and before the record.
        Notification.objects.filter(pk=row.pk).update(crashes=1)
    receipt = {"notification_id": str(row.pk), "status": "bounced"}
    operator = client_with(client="operators")
    assert operator.post("/api/v1/receipts/email", receipt, format="json").status_code == 200
    assert contacts.suppressed(["new@example.com", "alice@example.com"]) == {"new@example.com"}


def test_an_account_mail_is_not_sent_after_its_link_has_expired(
    alice: User, smtp: SmtpServer
) -> None:
    row = request_reset(alice)
    Notification.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert (deliver_due(row).status, smtp.mails) == (Status.EXPIRED, [])


def test_an_account_mail_shows_the_expiry_in_the_time_zone_of_the_user(
    alice: User, smtp: SmtpServer
) -> None:
    User.objects.filter(pk=alice.pk).update(timezone="Asia/Tokyo")
    row = deliver_due(request_reset(alice))
    assert row.expires_at is not None
    there = row.expires_at.astimezone(ZoneInfo("Asia/Tokyo"))
    assert f"until {there:%Y-%m-%d %H:%M} (Asia/Tokyo)." in text_of(smtp.mails[0].parsed)


def test_an_unknown_time_zone_does_not_stop_an_account_mail(alice: User, smtp: SmtpServer) -> None:
    User.objects.filter(pk=alice.pk).update(timezone="Mars/Olympus")
    assert deliver_due(request_reset(alice)).status == Status.SENT
    assert "(UTC)." in text_of(smtp.mails[0].parsed)


@pytest.mark.parametrize(
    ("locale", "language", "words"),
    [
        ("en-GB", "en", "Set it on this page"),
        ("de-AT", "de", "ein neues Passwort angefordert"),
        ("fr", "fr", "nouveau mot de passe"),
        ("ar-EG", "ar", "كلمة مرور جديدة"),
        ("pt-BR", "en", "Set it on this page"),
    ],
)
def test_an_account_mail_is_written_in_the_language_of_the_user(
    welcome: None, smtp: SmtpServer, locale: str, language: str, words: str
) -> None:
    row = deliver_due(request_reset(person("dora", locale=locale)))
    assert row.language == language
    mail = smtp.mails[0].parsed
    for kind in ("plain", "html"):
        assert words in text_of(mail, kind)
        assert token_in(text_of(mail, kind).replace('"', " "))
    direction = "rtl" if language == "ar" else "ltr"
    assert f'<html lang="{language}" dir="{direction}">' in text_of(mail, "html")


def named(address: str, name: str) -> User:
    user = person(address)
    User.objects.filter(pk=user.pk).update(name=name)
    user.refresh_from_db()
    return user


def test_a_user_name_is_escaped_and_is_in_no_header(welcome: None, smtp: SmtpServer) -> None:
    deliver_due(request_reset(named("eve", "<a href='https://evil.example'>Eve</a>")))
    mail = smtp.mails[0].parsed
    assert "&lt;a href=" in text_of(mail, "html")
    assert mail["To"] == "eve@example.com"


def test_a_confirmation_contains_no_text_that_the_requester_chose(smtp: SmtpServer) -> None:
    deliver_due(send_confirmation(named("eve", "Win at evil.example"), "victim@example.com"))
    assert "evil.example" not in smtp.mails[0].parsed.as_string()


def test_an_international_domain_is_sent_in_ascii(alice: User, smtp: SmtpServer) -> None:
    row = send_confirmation(alice, "alice@bücher.example")
    assert row.recipient == "alice@xn--bcher-kva.example"
    deliver_due(row)
    assert [mail.recipient for mail in smtp.mails] == ["alice@xn--bcher-kva.example"]


def test_there_is_a_text_for_every_kind_of_account_mail() -> None:
    about_accounts = set(builtin.VARIABLES) - builtin.FOR_OPERATORS
    assert about_accounts == {text.value for text in AccountText}


def test_registering_stores_the_account_and_its_mail_together(settings: Any) -> None:
    settings.EMBEDDED, settings.OPEN_REGISTRATION = False, True
    body = {"name": "Ada", "email": "ada@example.com", "password": "correct horse battery staple"}
    assert APIClient().post("/api/v1/users/", body, format="json").status_code == 201
    assert APIClient().post("/api/v1/users/", body, format="json").status_code == 409
    row = Notification.objects.get()
    assert (row.template_code, row.recipient) == ("system:confirm-email", "ada@example.com")
    assert User.objects.get().pk == row.user_id
