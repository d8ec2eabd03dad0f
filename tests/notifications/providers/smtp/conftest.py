"""An SMTP provider with short time limits."""

from collections.abc import Iterator

import pytest

from apps.notifications.providers.smtp.provider import SmtpProvider


@pytest.fixture
def smtp() -> Iterator[SmtpProvider]:
    provider = SmtpProvider(timeout=0.5, reply_timeout=0.5)
    yield provider
    provider.close()
