"""How a push is shown: what its template decides, and what its lane."""

from collections.abc import Iterator
from typing import Any

import pytest

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Push
from apps.notifications.providers.fcm.provider import FcmProvider
from tests.fakes.fcm_server import FcmServer
from tests.fakes.messages import a_push


@pytest.fixture
def fcm() -> Iterator[FcmProvider]:
    provider = FcmProvider(timeout=10)
    yield provider
    provider.close()


def sent(fcm: FcmProvider, server: FcmServer, push: Push) -> dict[str, Any]:
    assert fcm.send(push).outcome is Outcome.ACCEPTED
    return server.messages[-1]


def test_the_template_decides_on_sound_badge_and_channel(
    fcm: FcmProvider, fcm_server: FcmServer
) -> None:
    push = a_push(sound="bell.caf", badge=3, channel_id="orders", collapse_id="order-7")

    message = sent(fcm, fcm_server, push)

    assert message["apns"]["payload"] == {"aps": {"sound": "bell.caf", "badge": 3}}
    assert message["apns"]["headers"]["apns-collapse-id"] == "order-7"
    assert message["android"]["notification"] == {
        "tag": "order-7",
        "sound": "bell.caf",
        "notification_count": 3,
        "channel_id": "orders",
    }


def test_a_push_can_be_without_a_sound(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    message = sent(fcm, fcm_server, a_push(sound="none"))

    assert "payload" not in message["apns"]
    assert "sound" not in message["android"]["notification"]


def test_a_silent_push_shows_nothing(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    push = a_push(silent=True, title="", body="", data={"sync": "1"}, badge=3)

    message = sent(fcm, fcm_server, push)

    assert "notification" not in message
    assert message["data"]["sync"] == "1"
    assert message["android"] == {"priority": "high"}
    assert message["apns"] == {
        "headers": {"apns-push-type": "background", "apns-priority": "5"},
        "payload": {"aps": {"content-available": 1}},
    }


def test_a_bulk_push_does_not_wake_a_device(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    message = sent(fcm, fcm_server, a_push(at_once=False))

    assert message["android"]["priority"] == "normal"
    assert message["apns"]["headers"]["apns-priority"] == "5"
    assert message["webpush"]["headers"]["Urgency"] == "normal"
