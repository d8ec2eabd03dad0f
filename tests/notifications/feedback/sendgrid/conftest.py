"""SendGrid with a key that the settings know."""

from typing import Any

import pytest

from tests.fakes.sendgrid_events import EventSigner


@pytest.fixture
def sendgrid_events(settings: Any) -> EventSigner:
    signer = EventSigner()
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [signer.public_key]
    settings.SENDGRID_WEBHOOK_TOLERANCE_SECONDS = 86_400
    return signer
