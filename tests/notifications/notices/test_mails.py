"""A mail to operators passes through the same pipeline as every notification."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from apps.common.callers import Scope
from apps.common.ids import new_id
from apps.common.rest.problems import Problem
from apps.notifications.dead_letters import resend
from apps.notifications.delivery.claim import new_claim_id
from apps.notifications.flow_control import breakers
from apps.notifications.flow_control.breakers import Forced, Tally
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notice, Notification, SandboxMessage
from apps.notifications.models.notification import NOBODY
from apps.notifications.notices.conditions import Condition
from apps.notifications.scheduler.sweep import sweep
from apps.users import contacts, erasure
from apps.users.models import Suppression, User
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.factories import SHOP, client_with, make_overdue
from tests.notifications.intake.account_mails.account_mail_helpers import deliver_due, text_of
from tests.notifications.lanes import Lanes
from tests.notifications.notices.conftest import OPS, Installation, mails

pytestmark = pytest.mark.django_db


def raised(installation: Installation) -> Notification:
    """Let an endpoint be disabled, and return the mail to the first operator."""
    installation.has("shop")
    installation.look()
    return Notification.objects.filter(user_id=NOBODY).order_by("pk")[:1].get()


def test_the_mail_says_what_happened_since_when_and_what_to_do(
    installation: Installation, smtp: SmtpServer, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://notify.example.com"
    installation.has("smtp", condition=Condition.BREAKER_OPEN, reason="credentials")
    installation.look()
    row = deliver_due(Notification.objects.order_by("pk")[:1].get())
    assert row.status == Status.SENT
    (mail,) = smtp.mails
    assert mail.recipient == OPS[0]
    assert mail.parsed["Subject"] == "[notify.example.com] The breaker of smtp is open"
    assert "List-Unsubscribe" not in mail.parsed
    since = Notice.objects.get().since
    for text in (text_of(mail.parsed), text_of(mail.parsed, "html")):
        assert "The breaker of smtp is open." in text
        assert f"Since {since:%Y-%m-%d %H:%M} UTC." in text
        assert "set new ones" in text
        assert "https://notify.example.com/admin/providers/" in text
        assert "docs/runbook.md#notificationsbreakeropen" in text


def test_the_mail_at_the_end_says_from_when_to_when(
    installation: Installation, smtp: SmtpServer
) -> None:
    deliver_due(raised(installation))
    installation.calm_down()
    over = Notification.objects.filter(template_code="system:notice-over").order_by("pk")
    assert deliver_due(over[0]).status == Status.SENT
    assert "] Over: The webhook endpoint shop was disabled" in smtp.mails[-1].parsed["Subject"]
    said = text_of(smtp.mails[-1].parsed)
    notice = Notice.objects.get()
    assert notice.clear_since is not None
    assert f"From {notice.since:%Y-%m-%d %H:%M} UTC to {notice.clear_since:%Y-%m-%d %H:%M}" in said
    assert "is enabled again, or was removed." in said


def test_its_row_is_urgent_and_belongs_to_no_account(installation: Installation) -> None:
    row = raised(installation)
    assert (row.client, row.kind, row.lane) == ("system", "live", "email.urgent")
    assert (row.user_id, row.recipient) == (NOBODY, OPS[0])
    assert row.template_code == "system:notice-raised"
    assert row.expires_at is not None
    assert row.expires_at - row.created_at >= timedelta(days=2)


def test_it_is_retried_and_found_by_the_sweep(
    installation: Installation, smtp: SmtpServer, lanes: Lanes
) -> None:
    smtp.answer("rcpt", "451 4.3.0 Try again later", times=1)
    row = deliver_due(raised(installation))
    assert row.status == Status.RETRYING
    make_overdue(row)
    assert sweep() >= 1
    assert deliver_due(row).status == Status.SENT
    assert row.recipient == ""


def test_a_suppressed_operator_gets_no_mail(installation: Installation, smtp: SmtpServer) -> None:
    contacts.suppress(email=OPS[0], reason="hard_bounce")
    row = deliver_due(raised(installation))
    assert (row.status, row.reason) == (Status.SKIPPED, "suppressed")
    assert smtp.mails == []


def test_a_dead_address_of_an_operator_is_suppressed(
    installation: Installation, smtp: SmtpServer
) -> None:
    smtp.answer("rcpt", "550 5.1.1 No such user", times=1)
    assert deliver_due(raised(installation)).status == Status.BOUNCED
    (entry,) = Suppression.objects.all()
    assert entry.address_hash == contacts.address_hash(OPS[0])


def test_clients_do_not_see_it_and_operators_do(installation: Installation) -> None:
    row = raised(installation)
    path = f"/api/v1/notifications/{row.pk}"
    shop = client_with(Scope.NOTIFICATIONS_READ)
    assert shop.get("/api/v1/notifications/").json()["results"] == []
    assert shop.get(path).status_code == 404
    seen = client_with(Scope.NOTIFICATIONS_READ, Scope.OPERATIONS, client="ops")
    assert seen.get(path).json()["user_id"] == str(NOBODY)
    found = seen.get("/api/v1/notifications/", {"user_id": str(NOBODY)}).json()["results"]
    assert len(found) == len(OPS)


def test_it_cannot_be_replayed(installation: Installation) -> None:
    row = raised(installation)
    Notification.objects.filter(pk=row.pk).update(status=Status.FAILED)
    row.refresh_from_db()
    with pytest.raises(Problem) as refused:
        resend.replay(row, caller=SHOP)
    assert refused.value.problem_code == "variables_redacted"


def test_an_erased_operator_leaves_no_address_behind(installation: Installation) -> None:
    row = deliver_due(raised(installation))
    assert (row.status, row.recipient) == (Status.DELIVERED, "")
    assert SandboxMessage.objects.get().recipient == OPS[0]
    user = User.objects.create_user(name="Ops", email=OPS[0])
    with transaction.atomic():
        erasure.erase(user.pk)
    assert not SandboxMessage.objects.filter(recipient=OPS[0]).exists()
    row.refresh_from_db()
    assert row.variables != {}


def break_smtp() -> None:
    breakers.report("smtp", Tally(successes=0, failures=1, fatal="credentials"))


def mend_smtp() -> None:
    breakers.force(["smtp"], Forced.AUTO)


def test_while_no_mail_can_be_sent_the_notice_waits_and_the_end_is_the_only_mail(
    installation: Installation, settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    break_smtp()
    installation.has("smtp", condition=Condition.BREAKER_OPEN, reason="credentials")
    for _ in range(3):
        installation.look(after=timedelta(hours=1))
    assert mails() == []
    mend_smtp()
    installation.calm_down()
    assert mails() == [("over", "pending")] * 2


def test_what_is_still_wrong_when_mail_works_again_is_told_then(
    installation: Installation, settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    break_smtp()
    installation.has("fcm:ios", condition=Condition.BREAKER_OPEN, reason="credentials")
    installation.look()
    assert mails() == []
    mend_smtp()
    for _ in range(3):
        installation.look()
    assert mails() == [("raised", "pending")] * 2


def test_the_next_provider_tells_that_the_first_is_away(
    installation: Installation, settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp", "sandbox"]
    break_smtp()
    installation.has("smtp", condition=Condition.BREAKER_OPEN, reason="credentials")
    installation.look()
    assert deliver_due(Notification.objects.order_by("pk")[:1].get()).status == Status.DELIVERED
    assert list(Attempt.objects.values_list("provider", flat=True)) == ["sandbox"]


def test_an_address_whose_mail_was_cancelled_is_told_when_the_condition_returns(
    installation: Installation,
) -> None:
    deliver_due(raised(installation))
    installation.has()
    installation.look()
    assert mails() == [("raised", "delivered"), ("raised", "cancelled")]
    installation.has("shop")
    for _ in range(3):
        installation.look()
    assert mails()[2:] == [("raised", "pending")]
    assert Notification.objects.order_by("pk")[2].recipient == OPS[1]


def test_an_address_that_is_added_is_told_what_is_open(
    installation: Installation, settings: Any
) -> None:
    raised(installation)
    settings.OPERATOR_EMAILS = [*OPS, "new@example.com"]
    for _ in range(3):
        installation.look()
    assert mails() == [("raised", "pending")] * 3


def claim_with(claim_id: UUID, row: Notification) -> None:
    with transaction.atomic():
        Notification.objects.filter(pk=row.pk).update(status=Status.SENDING, claim_id=claim_id)


@pytest.mark.services
def test_postgresql_refuses_a_claim_by_a_worker_that_would_skip_it(
    installation: Installation,
) -> None:
    row = raised(installation)
    before = UUID(int=(new_id().int & ~(0xF << 76) & ~0xFFFF) | 0x8 << 76 | 0x1234)
    with pytest.raises(IntegrityError, match="notification_operators_heeded"):
        claim_with(before, row)
    claim_with(new_claim_id(), row)
