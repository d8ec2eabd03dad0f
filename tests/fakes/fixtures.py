"""The fake servers as pytest fixtures, with the settings pointing at them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.fakes.fcm_server import FcmServer
from tests.fakes.sendgrid_server import API_KEY, SendGridServer
from tests.fakes.smtp_server import SmtpServer


def point_at_smtp(settings: Settings, server: SmtpServer) -> None:
    settings.SMTP_HOST, settings.SMTP_PORT = "localhost", server.port
    settings.SMTP_TLS, settings.SMTP_CA_FILE = server.tls, ""
    settings.SMTP_USERNAME = settings.SMTP_PASSWORD = ""


@pytest.fixture
def smtp_server(settings: Settings) -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        point_at_smtp(settings, server)
        yield server


@pytest.fixture
def sendgrid_server(settings: Settings) -> Iterator[SendGridServer]:
    with SendGridServer() as server:
        settings.SENDGRID_API_URL, settings.SENDGRID_API_KEY = server.url, API_KEY
        yield server


@pytest.fixture
def fcm_server(settings: Settings, tmp_path: Path) -> Iterator[FcmServer]:
    with FcmServer() as server:
        key_file = server.write_key_file(tmp_path / "service-account.json")
        settings.FCM_API_URL, settings.FCM_SERVICE_ACCOUNT_FILE = server.url, str(key_file)
        yield server
