"""However an account mail ends, its link is erased and the mail is never sent again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.rest.problems import Problem
from apps.notifications.broker.kept_connection import KeptConnection
from apps.notifications.dead_letters import replay_many, replay_one, store
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.delivery.claim import claim
from apps.notifications.intake.cancel import cancel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, LetterState, Notification
from apps.notifications.privacy.erase_notifications import erase_notifications
from apps.notifications.scheduler.jobs import all_jobs
from apps.notifications.scheduler.sweep import CRASHES_MAX, sweep
from apps.users import contacts
from apps.users.models import User
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.factories import accepted, client_with, make_overdue, template
from tests.notifications.intake.account_mails.account_mail_helpers import deliver_due, request_reset
from tests.notifications.lanes import Lanes
from tests.notifications.problems import assert_problem
from tests.security.database_search import columns_with

pytestmark = pytest.mark.django_db


def delivered(row: Notification, smtp: SmtpServer, settings: Any) -> None:
    settings.EMAIL_PROVIDERS = ["sandbox"]
    deliver_due(row)


def sent(row: Notification, smtp: SmtpServer, settings: Any) -> None:
    deliver_due(row)


def bounced(row: Notification, smtp: SmtpServer, settings: Any) -> None:
    smtp.answer("rcpt", "550 5.1.1 No such user")
    deliver_due(row)


def refused(row: Notification, smtp: SmtpServer, settings: Any) -> None:
    smtp.answer("rcpt", "554 5.7.1 Not from you")
    deliver_due(row)


def worn_out(row: Notification, smtp: SmtpServer, settings: Any) -> None:
    settings.RETRY_MAX_ATTEMPTS = 2
    smtp.answer("rcpt", "451 4.3.0 Try again later")
    deliver_due(deliver_due(row))


def crashed(row: Notification, smtp: SmtpServer, settings: Any) -> None:
    claim([row.pk], attempt=0)
    make_overdue(row, crashes=CRASHES_MAX - 1)
    sweep()


def expired(row: Notification, smtp: SmtpServer, settings: Any) -> None:
    make_overdue(row, expires_at=timezone.now())
    sweep()


def suppressed(row: Notification, smtp: SmtpServer, settings: Any) -> None:
    contacts.suppress(email="alice@example.com", reason="hard_bounce")
    deliver_due(row)


def cancelled(row: Notification, smtp: SmtpServer, settings: Any) -> None:
    cancel(row)


ENDINGS: dict[Callable[..., None], tuple[Status, str]] = {
    delivered: (Status.DELIVERED, ""),
    sent: (Status.SENT, ""),
    bounced: (Status.BOUNCED, "hard_bounce"),
    refused: (Status.FAILED, "policy"),
    worn_out: (Status.FAILED, "attempts_exhausted"),
    crashed: (Status.FAILED, "crashed"),
    expired: (Status.EXPIRED, "expired"),
    suppressed: (Status.SKIPPED, "suppressed"),
    cancelled: (Status.CANCELLED, "cancelled"),
}


@pytest.mark.parametrize("ended", ENDINGS)
def test_every_final_status_blanks_recipient_and_link_and_prevents_a_replay(
    alice: User, smtp: SmtpServer, lanes: Lanes, settings: Any, ended: Callable[..., None]
) -> None:
    row = request_reset(alice)
    assert row.secret_variables is not None
    link = row.secret_variables["link"]
    ended(row, smtp, settings)
    row.refresh_from_db()
    assert (row.status, row.reason) == ENDINGS[ended]
    assert (row.recipient, row.secret_variables) == ("", None)
    assert row.variables == dict.fromkeys(("link", "name", "until"), "[redacted]")
    assert columns_with(link) == []

    operator = client_with(client="operators")
    answer = operator.post(f"/api/v1/notifications/{row.pk}/replay", format="json")
    problem = assert_problem(answer, 409)
    if ended not in (delivered, sent):
        assert problem["code"] == "variables_redacted"
    assert Notification.objects.count() == 1


def a_dead_letter(user: User, smtp: SmtpServer) -> DeadLetter:
    smtp.answer("rcpt", "554 5.7.1 Not from you")
    row = deliver_due(request_reset(user))
    store.record_failed([row.pk])
    return DeadLetter.objects.get(notification=row)


def test_a_dead_letter_of_an_account_mail_can_be_discarded_and_not_replayed(
    alice: User, smtp: SmtpServer
) -> None:
    letter = a_dead_letter(alice, smtp)
    with pytest.raises(Problem) as refusal:
        replay_one.replay(letter.pk, by="tests")
    assert refusal.value.status_code == 409
    with pytest.raises(CommandError, match="redacted"):
        call_command("notify", "replay", str(letter.notification_id))
    replay_many.start(Filter(), kind="", by="tests")
    while replay_many.replay_slice():
        pass
    letter.refresh_from_db()
    assert letter.state == LetterState.OPEN
    assert Notification.objects.count() == 1
    seen = client_with(client="operators").get(f"/api/v1/dead-letters/{letter.pk}").json()
    assert (seen["template_code"], seen["reason"]) == ("system:reset-password", "policy")
    replay_one.discard(letter.pk, by="tests", reason="asked anew")


def test_an_account_mail_that_is_erased_in_flight_is_not_sent_afterwards(
    alice: User, smtp: SmtpServer
) -> None:
    row = request_reset(alice)
    claim([row.pk], attempt=0)
    erase_notifications(alice.pk)
    contacts.erase(alice.pk)
    row.refresh_from_db()
    assert (row.status, row.recipient, row.secret_variables) == (Status.SENDING, "", None)
    Notification.objects.update(status=Status.PENDING)
    row = deliver_due(row)
    assert (row.status, row.reason, smtp.mails) == (Status.SKIPPED, "user_erased", [])


def test_a_notification_of_a_client_keeps_its_values_for_a_replay(
    shop: APIClient, alice: User
) -> None:
    template("code", content={"subject": "{{ code }}", "body": "-"}, sensitive=True)
    row = accepted(alice, template_code="code", variables={"code": "1"})
    assert row.recipient is None
    claim([row.pk], attempt=0)
    make_overdue(row, crashes=CRASHES_MAX - 1)
    sweep()
    row.refresh_from_db()
    assert (row.status, row.recipient, row.secret_variables) == (
        Status.FAILED,
        None,
        {"code": "1"},
    )


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.FAILED, Status.SKIPPED])
def test_account_mails_that_an_older_release_ended_are_blanked_by_a_job(
    alice: User, status: Status
) -> None:
    ended, waiting = request_reset(alice), request_reset(alice)
    Notification.objects.filter(pk=ended.pk).update(status=status)
    for job in all_jobs(KeptConnection()):
        job()
    ended.refresh_from_db()
    waiting.refresh_from_db()
    assert (ended.recipient, ended.secret_variables) == ("", None)
    assert waiting.recipient == "alice@example.com"
    assert waiting.secret_variables is not None


def test_account_mails_that_an_older_release_failed_are_not_replayed(alice: User) -> None:
    row = request_reset(alice)
    Notification.objects.filter(pk=row.pk).update(status=Status.FAILED, reason="template_error")
    operator = client_with(client="operators")
    answer = operator.post(f"/api/v1/notifications/{row.pk}/replay", format="json")
    assert assert_problem(answer, 409)["code"] == "variables_redacted"
    assert Notification.objects.count() == 1
