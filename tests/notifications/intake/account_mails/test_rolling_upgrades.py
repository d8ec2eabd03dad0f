"""Processes of the previous release run beside this one for a while and ignore ``recipient``."""

from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from apps.common.ids import new_id
from apps.notifications.broker.publisher import Wakeup, messages_of
from apps.notifications.delivery.claim import claim, new_claim_id
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.users.models import User
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.factories import accepted
from tests.notifications.intake.account_mails.account_mail_helpers import deliver_due, request_reset

pytestmark = pytest.mark.django_db


def claim_as_before(*rows: Notification) -> UUID:
    """Claim rows as releases before the ``recipient`` column do."""
    claim_id = new_id()
    assert claim_id.version == 7
    with transaction.atomic():
        Notification.objects.filter(pk__in=[row.pk for row in rows]).update(
            status=Status.SENDING, claim_id=claim_id
        )
    return claim_id


@pytest.mark.services
def test_postgresql_refuses_a_claim_of_an_account_mail_by_an_older_worker(
    alice: User, smtp: SmtpServer
) -> None:
    row, usual = request_reset(alice), accepted(alice)
    with pytest.raises(IntegrityError, match="notification_recipient_heeded"):
        claim_as_before(row, usual)
    row.refresh_from_db()
    assert (row.status, row.claim_id, row.attempts) == (Status.PENDING, None, 0)
    claim_as_before(usual)
    assert deliver_due(row).status == Status.SENT
    assert [mail.recipient for mail in smtp.mails] == ["alice@example.com"]


@pytest.mark.services
def test_an_account_mail_that_was_requeued_is_not_claimed_by_an_older_worker(
    alice: User, smtp: SmtpServer
) -> None:
    smtp.answer("rcpt", "451 4.3.0 Try again later", times=1)
    row = deliver_due(request_reset(alice))
    assert row.status == Status.RETRYING
    with pytest.raises(IntegrityError, match="notification_recipient_heeded"):
        claim_as_before(row)


def test_the_uuid_version_of_a_claim_shows_that_recipients_are_respected(alice: User) -> None:
    row = request_reset(alice)
    held = claim([row.pk], attempt=0)
    assert [one.pk for one in held.rows] == [row.pk]
    row.refresh_from_db()
    assert row.claim_id == held.id
    assert held.id.version == 8
    first, second = new_claim_id(), new_claim_id()
    assert first < second


def test_an_account_mail_has_a_broker_message_of_its_own(alice: User) -> None:
    rows = [
        request_reset(alice),
        accepted(alice, priority=9),
        request_reset(alice),
        accepted(alice, priority=8),
    ]
    made = messages_of(Wakeup.of(row) for row in rows)
    found = sorted([wakeup.notification_id for wakeup in message] for message in made)
    assert found == sorted([[rows[0].pk], [rows[1].pk, rows[3].pk], [rows[2].pk]])
