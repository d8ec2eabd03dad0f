"""What happens while a mail is in flight neither stops other mails nor is overwritten."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.common.channels import Channel
from apps.common.ids import new_id
from apps.notifications.delivery.send import BULK_CHUNK_SECONDS
from apps.notifications.lifecycle.states import Status
from apps.notifications.lifecycle.transitions import advance
from apps.notifications.models import Attempt, Notification
from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.fakes.fixtures import point_at_smtp
from tests.fakes.smtp_server import Conversation, SmtpServer
from tests.notifications.delivering import deliver, deliver_and_refresh, outcomes_of
from tests.notifications.factories import accepted, person, template

pytestmark = pytest.mark.django_db


class CallbackAfterMails(SmtpServer):
    """SMTP server that runs a callback when it has taken a number of mails."""

    def __init__(self, mails: int, then: Callable[[], object]) -> None:
        super().__init__()
        self.left, self.then = mails, then

    def _take(self, talk: Conversation, content: bytes) -> None:
        super()._take(talk, content)
        self.left -= 1
        if self.left == 0:
            self.then()


def test_a_bulk_chunk_stops_at_its_time_limit_and_requeues_the_rest(
    welcome: None, settings: Any, ahead: Callable[[float], None]
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    rows = [accepted(person(f"p{place}"), priority=0) for place in range(60)]
    with CallbackAfterMails(20, lambda: ahead(BULK_CHUNK_SECONDS)) as smtp:
        point_at_smtp(settings, smtp)
        (group,) = deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)
        given_back = set(
            Notification.objects.filter(status=Status.PENDING).values_list("pk", flat=True)
        )
        sent = Notification.objects.filter(status=Status.SENT)
        assert set(group.ids) == given_back
        assert (group.lane, group.attempt, group.delay_seconds) == ("email.bulk", 0, None)
        # Calls that had been started by then are sent as well, one in each thread.
        assert 20 <= sent.count() <= 20 + SmtpProvider.threads
        assert sent.count() == len(smtp.mails) == 60 - len(given_back)
        assert not Attempt.objects.filter(notification_id__in=given_back).exists()
        assert set(Notification.objects.values_list("attempts", "status")) == {
            (0, "pending"),
            (1, "sent"),
        }
        assert deliver(channel=Channel.EMAIL, ids=group.ids, attempt=0) == []
        assert sent.count() == 60


class CallbackBeforeReply(SmtpServer):
    """SMTP server that runs a callback while the sender waits for the reply to the final dot."""

    def __init__(self, callback: Callable[[], object]) -> None:
        super().__init__()
        self.callback = callback
        self.waited = -1.0

    def _take(self, talk: Conversation, content: bytes) -> None:
        thread = threading.Thread(target=self._run)
        thread.start()
        thread.join(timeout=5)
        super()._take(talk, content)

    def _run(self) -> None:
        started = time.monotonic()
        try:
            self.callback()
            self.waited = time.monotonic() - started
        finally:
            connection.close()


class HangingAfterData(SmtpServer):
    """SMTP server that keeps the sender of one mail waiting after DATA."""

    def __init__(self, recipient: str) -> None:
        super().__init__()
        self.recipient = recipient
        self.go_on = asyncio.Event()

    async def _say(self, stage: str, talk: Conversation, usual: str) -> str:
        if stage == "data" and talk.recipient == self.recipient:
            await self.go_on.wait()
        return await super()._say(stage, talk, usual)


@pytest.mark.django_db(transaction=True)
def test_an_accepted_mail_is_recorded_while_another_call_of_the_chunk_hangs(
    settings: Any,
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    template("welcome")
    rows = [accepted(person(name)) for name in ("alice", "bob", "dora")]

    def work() -> None:
        try:
            deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)
        finally:
            connection.close()

    def statuses() -> list[str]:
        found = Notification.objects.values_list("pk", "status")
        by_id = dict(found)
        return [by_id[row.pk] for row in rows]

    with HangingAfterData("bob@example.com") as server:
        point_at_smtp(settings, server)
        worker = threading.Thread(target=work)
        worker.start()
        deadline = time.monotonic() + 8
        while statuses() != ["sent", "sending", "sent"]:
            assert time.monotonic() < deadline, statuses()
            time.sleep(0.02)
        server.loop.call_soon_threadsafe(server.go_on.set)
        worker.join(timeout=10)
    assert statuses() == ["sent", "sent", "sent"]
    assert len(server.mails) == Attempt.objects.count() == 3


def deliver_during(
    callback: Callable[[], object], settings: Any
) -> tuple[Notification, CallbackBeforeReply]:
    """Deliver a mail and run ``callback`` on its row while the mail is in flight."""
    settings.EMAIL_PROVIDERS = ["smtp"]
    template("welcome")
    row = accepted(person("alice"))
    with CallbackBeforeReply(callback) as server:
        point_at_smtp(settings, server)
        deliver_and_refresh(row)
    return row, server


@pytest.mark.django_db(transaction=True)
def test_no_row_is_locked_while_a_mail_is_in_flight(settings: Any) -> None:
    row, server = deliver_during(
        lambda: Notification.objects.update(metadata={"written": "meanwhile"}), settings
    )
    assert (row.status, row.metadata) == (Status.SENT, {"written": "meanwhile"})
    assert 0 <= server.waited < 1


@pytest.mark.django_db(transaction=True)
def test_a_receipt_that_arrives_before_the_record_keeps_its_status(settings: Any) -> None:
    row, _ = deliver_during(
        lambda: advance(Notification.objects.all(), to=Status.DELIVERED, now=timezone.now()),
        settings,
    )
    assert (row.status, row.attempts, row.claim_id) == (Status.DELIVERED, 1, None)
    assert outcomes_of(row) == [(1, "accepted", "250 2.0.0")]


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_worker_holds_by_now_keeps_its_status(settings: Any) -> None:
    """The lease ended and another worker claimed the row: the attempt counts, the status stays."""
    other = new_id()
    row, _ = deliver_during(lambda: Notification.objects.update(claim_id=other), settings)
    assert (row.status, row.claim_id, row.attempts) == (Status.SENDING, other, 0)
    assert [outcome for _, outcome, _ in outcomes_of(row)] == ["accepted"]
