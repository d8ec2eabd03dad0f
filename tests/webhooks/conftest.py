"""Fixtures of the webhooks' tests."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from apps.webhooks import subscriptions
from apps.webhooks.delivery.dispatcher import Dispatcher
from apps.webhooks.models import Endpoint
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.notifications.conftest import (  # noqa: F401 - pytest finds fixtures by their names.
    ahead,
    alice,
    bob,
    charlie,
    lanes,
    local_worker,
    sandbox_only,
    shop,
    welcome,
)
from tests.webhooks.factories import endpoint_of


@pytest.fixture(autouse=True)
def private_addresses(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow the loopback, where the receivers are, and wait for no other process."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    monkeypatch.setattr(subscriptions, "WAIT_SECONDS", 0.0)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as server:
        yield server


@pytest.fixture
def endpoint(db: None, receiver: WebhookReceiver) -> Endpoint:
    """An endpoint of the shop that gets everything."""
    return endpoint_of(receiver)


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    working = Dispatcher()
    working.start()
    yield working
    working.stop()
