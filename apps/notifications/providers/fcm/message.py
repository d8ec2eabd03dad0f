"""The JSON of a push message, as FCM's HTTP v1 API takes it.

firebase-admin's message classes give the same fields, which the contract test checks, but cost
0.04 ms per message.
"""

import json
from collections.abc import Mapping
from typing import Any

from apps.notifications.providers.base import Push

TTL_MAX_SECONDS = 2_419_200  # Four weeks.
# The name of a sound that is none.
NO_SOUND = "none"
DEFAULT_SOUND = "default"


def message_of(push: Push, *, now: float) -> dict[str, Any]:
    """Build the FCM message for a push.

    A second copy replaces the first one on the device: the notification's id, or the id that the
    template gives, is the tag on Android and the web, and the collapse id on APNs.
    ``collapse_key`` is not used: notification messages ignore it, and FCM keeps only four keys for
    each device.

    Args:
        push: The composed push.
        now: Unix seconds, the base of the expiry for APNs.
    """
    platforms = _silent(push) if push.silent else _shown(push)
    if push.ttl_seconds is not None:
        ttl = min(max(push.ttl_seconds, 0), TTL_MAX_SECONDS)
        platforms["android"]["ttl"] = f"{ttl}s"
        platforms["apns"]["headers"]["apns-expiration"] = str(int(now) + ttl)
        platforms["webpush"].setdefault("headers", {})["TTL"] = str(ttl)
    return {"token": push.token, "data": _data(push), **platforms}


def payload_bytes(message: Mapping[str, Any]) -> int:
    """Return the payload size in bytes: notification and data as compact UTF-8 JSON."""
    content = {"image": None, **message.get("notification", {}), **message["data"]}
    return len(
        json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    )


def _data(push: Push) -> dict[str, str]:
    # Apps open the link from the data: Android's click_action names an intent, not a page.
    return {
        **({"link": push.link} if push.link else {}),
        # A version that was saved before this key was reserved may have its own.
        **({"receipt": push.receipt} if push.receipt else {}),
        **push.data,
        "notification_id": str(push.notification_id),
        "correlation_id": push.correlation_id,
    }


def _silent(push: Push) -> dict[str, Any]:
    """Return the parts of a message that only the app sees.

    APNs takes such a message with priority 5 only:
    https://developer.apple.com/documentation/usernotifications/pushing-background-updates-to-your-app
    """
    headers = {"apns-push-type": "background", "apns-priority": "5"}
    if push.collapse_id:
        headers["apns-collapse-id"] = push.collapse_id
    return {
        "android": {"priority": _android_priority(push)},
        "apns": {"headers": headers, "payload": {"aps": {"content-available": 1}}},
        "webpush": {"headers": {"Urgency": _urgency(push)}},
    }


def _shown(push: Push) -> dict[str, Any]:
    tag = push.collapse_id or str(push.notification_id)
    shown = {"title": push.title, "body": push.body}
    aps: dict[str, Any] = {}
    android: dict[str, Any] = {"tag": tag}
    webpush: dict[str, Any] = {"tag": tag}
    parts: dict[str, Any] = {
        "notification": shown,
        "android": {"priority": _android_priority(push), "notification": android},
        "apns": {
            "headers": {
                "apns-collapse-id": tag,
                "apns-priority": "10" if push.at_once else "5",
            },
        },
        "webpush": {"headers": {"Urgency": _urgency(push)}, "notification": webpush},
    }
    if push.sound != NO_SOUND:
        # Without a sound an iPhone shows the message silently. On Android the channel decides.
        aps["sound"] = push.sound or DEFAULT_SOUND
        android["sound"] = push.sound or DEFAULT_SOUND
    if push.badge is not None:
        aps["badge"] = android["notification_count"] = push.badge
    if push.channel_id:
        android["channel_id"] = push.channel_id
    if push.image is not None:
        shown["image"] = webpush["image"] = push.image
        parts["apns"]["fcm_options"] = {"image": push.image}
        # This makes iOS start the app's service extension, which fetches the image.
        aps["mutable-content"] = 1
    if aps:
        parts["apns"]["payload"] = {"aps": aps}
    if push.link and push.link.startswith("https://"):
        parts["webpush"]["fcm_options"] = {"link": push.link}
    return parts


def _android_priority(push: Push) -> str:
    return "high" if push.at_once else "normal"


def _urgency(push: Push) -> str:
    # RFC 8030, 5.3.
    return "high" if push.at_once else "normal"
