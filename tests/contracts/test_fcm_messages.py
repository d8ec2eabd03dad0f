"""Our push messages are the same JSON as those of firebase-admin, whatever their content."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from firebase_admin import messaging
from hypothesis import example, given
from hypothesis import strategies as st

from apps.notifications.providers.base import Push
from apps.notifications.providers.fcm.message import TTL_MAX_SECONDS, message_of
from tests.fakes.messages import a_push

NOW = 1_700_000_000.9
texts = st.text(max_size=20)
pushes = st.builds(
    Push,
    notification_id=st.uuids(),
    correlation_id=texts,
    device_id=st.just(UUID(int=0)),
    token=st.text(min_size=1, max_size=20),
    platform=st.sampled_from(["android", "ios", "web"]),
    title=texts,
    body=texts,
    image=st.none() | st.just("https://example.com/a.png") | st.text(min_size=1, max_size=20),
    link=st.none() | st.just("https://example.com/1") | st.just("shop://1") | texts,
    data=st.dictionaries(texts, texts, max_size=4),
    receipt=st.sampled_from(["", "ids:signature"]),
    ttl_seconds=st.none() | st.integers(-10, TTL_MAX_SECONDS + 10),
    sound=st.sampled_from(["", "none", "bell.caf"]),
    badge=st.none() | st.integers(0, 99),
    channel_id=st.sampled_from(["", "orders"]),
    silent=st.booleans(),
    collapse_id=st.sampled_from(["", "order-1"]),
    at_once=st.booleans(),
)


def theirs(push: Push) -> dict[str, Any]:
    """Write a push with the library's classes, which validate and encode it."""
    ttl = None if push.ttl_seconds is None else min(max(push.ttl_seconds, 0), TTL_MAX_SECONDS)
    message = messaging.Message(
        data={
            **({"link": push.link} if push.link else {}),
            **({"receipt": push.receipt} if push.receipt else {}),
            **push.data,
            "notification_id": str(push.notification_id),
            "correlation_id": push.correlation_id,
        },
        notification=(
            None
            if push.silent
            else messaging.Notification(title=push.title, body=push.body, image=push.image)
        ),
        android=their_android(push, ttl),
        apns=their_apns(push, ttl),
        webpush=their_webpush(push, ttl),
    )
    # As a constructor argument it causes a warning: the library prefers installation ids.
    message.token = push.token
    found: dict[str, Any] = json.loads(str(message))
    return found


def their_sound(push: Push) -> str | None:
    return None if push.sound == "none" else push.sound or "default"


def their_tag(push: Push) -> str:
    return push.collapse_id or str(push.notification_id)


def their_android(push: Push, ttl: int | None) -> messaging.AndroidConfig:
    shown = messaging.AndroidNotification(
        tag=their_tag(push),
        sound=their_sound(push),
        channel_id=push.channel_id or None,
        notification_count=push.badge,
    )
    return messaging.AndroidConfig(
        priority="high" if push.at_once else "normal",
        ttl=None if ttl is None else timedelta(seconds=ttl),
        notification=None if push.silent else shown,
    )


def their_apns(push: Push, ttl: int | None) -> messaging.APNSConfig:
    expiry = {} if ttl is None else {"apns-expiration": str(int(NOW) + ttl)}
    if push.silent:
        collapse = {"apns-collapse-id": push.collapse_id} if push.collapse_id else {}
        return messaging.APNSConfig(
            headers={"apns-push-type": "background", "apns-priority": "5", **collapse, **expiry},
            payload=messaging.APNSPayload(messaging.Aps(content_available=True)),
        )
    aps = messaging.Aps(
        sound=their_sound(push), badge=push.badge, mutable_content=bool(push.image) or None
    )
    return messaging.APNSConfig(
        headers={
            "apns-collapse-id": their_tag(push),
            "apns-priority": "10" if push.at_once else "5",
            **expiry,
        },
        payload=messaging.APNSPayload(aps),
        fcm_options=messaging.APNSFCMOptions(image=push.image),
    )


def their_webpush(push: Push, ttl: int | None) -> messaging.WebpushConfig:
    headers = {"Urgency": "high" if push.at_once else "normal"}
    headers |= {} if ttl is None else {"TTL": str(ttl)}
    if push.silent:
        return messaging.WebpushConfig(headers=headers)
    secure_link = push.link if push.link and push.link.startswith("https://") else None
    return messaging.WebpushConfig(
        headers=headers,
        notification=messaging.WebpushNotification(tag=their_tag(push), image=push.image),
        fcm_options=messaging.WebpushFCMOptions(link=secure_link),
    )


@given(pushes)
@example(a_push())
@example(a_push(image="https://example.com/a.png", link="https://example.com/1", ttl_seconds=60))
@example(a_push(title="", body="", data={"": ""}, ttl_seconds=0))
def test_our_message_equals_that_of_the_library(push: Push) -> None:
    assert json.loads(json.dumps(message_of(push, now=NOW))) == theirs(push)


def test_the_library_still_accepts_device_tokens() -> None:
    with pytest.warns(DeprecationWarning, match=r"Message\.token is deprecated"):
        messaging.Message(token="token")
