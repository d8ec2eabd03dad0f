"""Fixtures that the pipeline's tests share."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from celery import current_app
from rest_framework.test import APIClient

from apps.notifications.broker import publisher
from apps.notifications.flow_control.breakers import gate as breaker_gate
from apps.notifications.flow_control.breakers import sender_id_guard
from apps.notifications.flow_control.limits import gate as limit_gate
from apps.notifications.models import Notification
from apps.notifications.providers.registry import close_all
from apps.users.models import User
from tests.fakes.proxy import Proxy
from tests.notifications.factories import client_with, person, template
from tests.notifications.lanes import Lanes


@pytest.fixture(autouse=True)
def sandbox_only(settings: Any) -> Iterator[None]:
    """Deliver to the sandbox by default, and reset providers, breakers and limits."""
    settings.EMAIL_PROVIDERS, settings.PUSH_PROVIDERS = ["sandbox"], ["sandbox"]
    settings.DEFAULT_FROM_EMAIL = "Notifications <notifications@example.com>"
    settings.PROVIDER_MAX_PER_SECOND = {}
    breaker_gate.forget()
    limit_gate.forget()
    sender_id_guard.forget()
    yield
    close_all()
    breaker_gate.forget()
    limit_gate.forget()
    sender_id_guard.forget()


@pytest.fixture
def welcome(db: None) -> None:
    """One mail and one push template."""
    template("welcome")
    template("parcel", "push")


@pytest.fixture
def alice(welcome: None) -> User:
    return person("alice", tokens=("token-alice",))


@pytest.fixture
def bob(welcome: None) -> User:
    return person("bob", tokens=("token-bob",))


@pytest.fixture
def charlie(welcome: None) -> User:
    """An administrator."""
    return person("charlie", is_staff=True, is_superuser=True)


@pytest.fixture
def shop(welcome: None) -> APIClient:
    """A client application with every scope."""
    return client_with(client="shop")


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    """The broker with empty queues."""
    broker = Lanes()
    yield broker
    broker.close()


@pytest.fixture
def local_worker() -> Iterator[None]:
    """Tell the publisher that this process consumes what it publishes, as in the embedded mode."""
    before = publisher._local_worker.is_set()
    publisher.local_worker_started()
    yield
    if not before:
        publisher._local_worker.clear()


@pytest.fixture
def nothing_stored(db: None) -> Iterator[None]:
    """Assert at the end that the test stored no notification."""
    yield
    assert Notification.objects.count() == 0


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Return a function that moves the monotonic clock of this process forward, in seconds."""
    usual, moved = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: usual() + moved[0])

    def move(seconds: float) -> None:
        moved[0] += seconds

    yield move
    monkeypatch.undo()


@pytest.fixture
def broker_unreachable() -> Iterator[Callable[[], None]]:
    """Point the application at a port where nothing listens; calling it restores the broker."""
    application: Any = current_app
    before = application.conf.broker_write_url
    application.conf.broker_write_url = "amqp://guest:guest@127.0.0.1:1//"
    pool, application.amqp._producer_pool = application.amqp._producer_pool, None

    def serve_again() -> None:
        application.conf.broker_write_url = before
        application.amqp._producer_pool = pool

    yield serve_again
    serve_again()


@pytest.fixture
def broker_proxy(lanes: Lanes) -> Iterator[Proxy]:
    """Route the application's connections to the broker through a proxy that counts them."""
    application: Any = current_app
    before = application.conf.broker_write_url
    parts = urlsplit(before)
    proxy = Proxy(target_port=parts.port or 5672)
    with proxy:
        netloc = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        application.conf.broker_write_url = urlunsplit(parts._replace(netloc=netloc))
        pool, application.amqp._producer_pool = application.amqp._producer_pool, None
        yield proxy
        application.conf.broker_write_url = before
        application.amqp._producer_pool = pool
