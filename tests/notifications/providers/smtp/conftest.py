"""SMTP providers, and servers with and without PIPELINING."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.fakes.fixtures import point_at_smtp
from tests.fakes.smtp_server import SmtpServer


@pytest.fixture
def smtp() -> Iterator[SmtpProvider]:
    provider = SmtpProvider(timeout=10, reply_timeout=10)
    yield provider
    provider.close()


@pytest.fixture
def hasty() -> Iterator[SmtpProvider]:
    """Make a provider for servers that never answer. On a busy machine others may be too slow."""
    provider = SmtpProvider(timeout=0.5, reply_timeout=0.5)
    yield provider
    provider.close()


@pytest.fixture(params=[True, False], ids=["pipelining", "one by one"])
def smtp_server(request: pytest.FixtureRequest, settings: Settings) -> Iterator[SmtpServer]:
    with SmtpServer(pipelining=request.param) as server:
        point_at_smtp(settings, server)
        yield server
