"""Fixtures of these tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.fcm_server import FcmServer
from tests.fakes.fixtures import point_at_smtp
from tests.notifications.delivery.fault_injection import CallbackSmtpServer


@pytest.fixture
def smtp(settings: Any) -> Iterator[CallbackSmtpServer]:
    settings.EMAIL_PROVIDERS = ["smtp"]
    with CallbackSmtpServer() as server:
        point_at_smtp(settings, server)
        yield server


@pytest.fixture
def fcm(fcm_server: FcmServer, settings: Any) -> FcmServer:
    settings.PUSH_PROVIDERS = ["fcm"]
    return fcm_server
