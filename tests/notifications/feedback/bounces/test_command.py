"""``notify bounce``, as a mail server pipes to it."""

import io
import os
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.factories import row_with_status
from tests.notifications.feedback.bounces import messages
from tests.notifications.feedback.bounces.mails import original, sent


@pytest.fixture
def mail(alice: User) -> Notification:
    return sent(alice)


def pipe(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> str:
    stdin, out = io.BytesIO(raw), io.StringIO()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=stdin))
    call_command("notify", "bounce", stdout=out)
    # A writer whose mail is not read to its end fails.
    assert stdin.read() == b""
    return out.getvalue()


def test_a_bounce_is_taken(monkeypatch: pytest.MonkeyPatch, mail: Notification) -> None:
    printed = pipe(monkeypatch, messages.postfix(original(mail)))

    assert printed == f"bounced {mail.pk}\n"
    mail.refresh_from_db()
    assert mail.status == "bounced"


@pytest.mark.parametrize("raw", [b"", b"From: alice@example.com\n\nHello\n", b"\xff" * 100])
def test_what_is_no_bounce_is_no_error(
    monkeypatch: pytest.MonkeyPatch, db: None, raw: bytes
) -> None:
    assert pipe(monkeypatch, raw) == "other no notification\n"


def test_a_mail_over_the_limit_is_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, mail: Notification
) -> None:
    raw = messages.exim(original(mail)) + b"x" * 12_000_000
    assert pipe(monkeypatch, raw) == f"bounced {mail.pk}\n"


def test_without_a_database_the_mail_server_tries_again(
    monkeypatch: pytest.MonkeyPatch, mail: Notification
) -> None:
    def away(execute: Any, *given: Any) -> Any:
        raise OperationalError("the database does not answer")

    with (
        connection.execute_wrapper(away),
        pytest.raises(CommandError) as refused,
    ):
        pipe(monkeypatch, messages.postfix(original(mail)))

    assert refused.value.returncode == os.EX_TEMPFAIL == 75
    mail.refresh_from_db()
    assert mail.status == "sent"


def test_a_mail_that_was_never_sent_is_no_error(
    monkeypatch: pytest.MonkeyPatch, alice: User
) -> None:
    row = row_with_status(alice, Status.PENDING)
    assert pipe(monkeypatch, messages.postfix(original(row))) == "bounced no notification\n"
