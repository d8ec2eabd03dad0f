"""SendGrid with a key that the settings know, and mails that it was called for."""

from typing import Any

import pytest

from apps.notifications.lifecycle.states import Status
from apps.users.models import User
from tests.fakes.sendgrid_events import EventSigner
from tests.notifications.factories import row_with_status
from tests.notifications.feedback.calls import Call, record_call


@pytest.fixture
def sendgrid_events(settings: Any) -> EventSigner:
    signer = EventSigner()
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [signer.public_key]
    settings.SENDGRID_WEBHOOK_TOLERANCE_SECONDS = 86_400
    return signer


@pytest.fixture
def mail(alice: User) -> Call:
    """A mail for which SendGrid was called, with a status and an address."""

    def make(status: Status = Status.SENT, *, to: str = "alice@example.com", **given: Any) -> Any:
        row = row_with_status(alice, status, attempts=1, **given)
        record_call(row, to, provider="sendgrid")
        return row

    return make
