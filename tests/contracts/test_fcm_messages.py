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
from apps.notifications.providers.fcm.provider import TTL_MAX_SECONDS, message_of
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
    ttl_seconds=st.none() | st.integers(-10, TTL_MAX_SECONDS + 10),
)


def theirs(push: Push) -> dict[str, Any]:
    """Write a push with the library's classes, which validate and encode it."""
    tag = str(push.notification_id)
    ttl = None if push.ttl_seconds is None else min(max(push.ttl_seconds, 0), TTL_MAX_SECONDS)
    apns_headers = {"apns-collapse-id": tag}
    if ttl is not None:
        apns_headers["apns-expiration"] = str(int(NOW) + ttl)
    secure_link = push.link if push.link and push.link.startswith("https://") else None
    message = messaging.Message(
        data={
            **({"link": push.link} if push.link else {}),
            **push.data,
            "notification_id": tag,
            "correlation_id": push.correlation_id,
        },
        notification=messaging.Notification(title=push.title, body=push.body, image=push.image),
        android=messaging.AndroidConfig(
            ttl=None if ttl is None else timedelta(seconds=ttl),
            notification=messaging.AndroidNotification(tag=tag),
        ),
        apns=messaging.APNSConfig(
            headers=apns_headers,
            payload=messaging.APNSPayload(messaging.Aps(mutable_content=bool(push.image) or None)),
            fcm_options=messaging.APNSFCMOptions(image=push.image),
        ),
        webpush=messaging.WebpushConfig(
            headers=None if ttl is None else {"TTL": str(ttl)},
            notification=messaging.WebpushNotification(tag=tag, image=push.image),
            fcm_options=messaging.WebpushFCMOptions(link=secure_link),
        ),
    )
    # As a constructor argument it causes a warning: the library prefers installation ids.
    message.token = push.token
    found: dict[str, Any] = json.loads(str(message))
    return found


@given(pushes)
@example(a_push())
@example(a_push(image="https://example.com/a.png", link="https://example.com/1", ttl_seconds=60))
@example(a_push(title="", body="", data={"": ""}, ttl_seconds=0))
def test_our_message_equals_that_of_the_library(push: Push) -> None:
    assert json.loads(json.dumps(message_of(push, now=NOW))) == theirs(push)


def test_the_library_still_accepts_device_tokens() -> None:
    with pytest.warns(DeprecationWarning, match=r"Message\.token is deprecated"):
        messaging.Message(token="token")
