"""The SMTP server of the account mail tests."""

from typing import Any

import pytest

from tests.fakes.smtp_server import SmtpServer


@pytest.fixture
def smtp(smtp_server: SmtpServer, settings: Any) -> SmtpServer:
    settings.EMAIL_PROVIDERS = ["smtp"]
    return smtp_server
