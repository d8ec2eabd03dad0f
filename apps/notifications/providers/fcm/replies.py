"""Classify the responses of FCM's HTTP v1 API.

Sources: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode and
https://firebase.google.com/docs/cloud-messaging/scale-fcm (delays).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply, provider_words, retry_after_seconds

QUOTA_WAIT_SECONDS = 60.0  # "Minimum initial delay" of one minute for 429.
UNAVAILABLE_WAIT_SECONDS = 10.0  # Backoff for 500 and 503 begins at ten seconds.

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
BAD_TOKEN = ("not a valid fcm registration token", "invalid registration token")
TOO_BIG = ("too big", "too large")

Meaning = tuple[Outcome, str, float | None]  # The outcome, the reason, the minimum wait in seconds.

MEANINGS: dict[str, Meaning] = {
    "UNREGISTERED": (Outcome.DEAD_ADDRESS, "unregistered", None),
    "SENDER_ID_MISMATCH": (Outcome.DEAD_ADDRESS, "sender_id_mismatch", None),
    "QUOTA_EXCEEDED": (Outcome.RATE_LIMITED, "quota_exceeded", QUOTA_WAIT_SECONDS),
    "UNAVAILABLE": (Outcome.TRANSIENT, "unavailable", UNAVAILABLE_WAIT_SECONDS),
    "INTERNAL": (Outcome.TRANSIENT, "internal", UNAVAILABLE_WAIT_SECONDS),
    # The APNs or web push key stored at Firebase is invalid: the pushes wait for a new key.
    "THIRD_PARTY_AUTH_ERROR": (Outcome.CONFIGURATION, "third_party_auth_error", None),
    "APNS_AUTH_ERROR": (Outcome.CONFIGURATION, "third_party_auth_error", None),
    "UNSPECIFIED_ERROR": (Outcome.UNKNOWN, "unspecified", None),
}

# A response without an FcmError concerns us or the service, never the token.
BY_HTTP_STATUS: dict[int, Meaning] = {
    400: (Outcome.DEFECT, "invalid_argument", None),
    401: (Outcome.CONFIGURATION, "credentials", None),
    403: (Outcome.CONFIGURATION, "credentials", None),
    404: (Outcome.CONFIGURATION, "not_found", None),  # Unknown project, or not FCM's URL.
    408: (Outcome.UNKNOWN, "timeout", None),
    413: (Outcome.REJECTED, "payload_too_large", None),
    429: MEANINGS["QUOTA_EXCEEDED"],
    500: MEANINGS["INTERNAL"],
    502: MEANINGS["UNAVAILABLE"],
    503: MEANINGS["UNAVAILABLE"],
    504: (Outcome.UNKNOWN, "timeout", UNAVAILABLE_WAIT_SECONDS),
}
UNEXPECTED: Meaning = (Outcome.UNKNOWN, "unexpected_answer", None)


def classify(
    status: int, headers: Mapping[str, str], body: bytes, *personal: str, now: float
) -> Reply:
    """Classify one refusal.

    Args:
        status: The HTTP status, 300 or more.
        headers: The response headers.
        body: ``{"error": {"code", "message", "status", "details"}}``, or anything else.
        personal: Values that must not appear in the detail, such as the token.
        now: The current time in Unix seconds, for a ``Retry-After`` that is a date.
    """
    error = _error_of(body)
    message = _text(error.get("message"))
    details = [item for item in _list(error.get("details")) if isinstance(item, dict)]
    code = _fcm_code(error, details)
    if code == "INVALID_ARGUMENT":
        outcome, reason, least = _invalid_argument(message, details)
    else:
        outcome, reason, least = MEANINGS.get(code) or BY_HTTP_STATUS.get(status) or UNEXPECTED
    asked = retry_after_seconds(headers.get("Retry-After"), now=now)
    may_wait = outcome in {Outcome.RATE_LIMITED, Outcome.TRANSIENT, Outcome.UNKNOWN}
    waits = [wait for wait in (asked, least) if wait is not None] if may_wait else []
    return Reply(
        outcome=outcome,
        code=code or f"{status} {_text(error.get('status'))}".strip(),
        detail=provider_words(message or body[:2000], *personal),
        reason=reason,
        retry_after=max(waits, default=None),
        # The minimum wait applies to this message only: the quota may be that of its device alone.
        pause_seconds=(asked or 0.0) if outcome is Outcome.RATE_LIMITED else 0.0,
    )


def _invalid_argument(message: str, details: list[dict[str, Any]]) -> Meaning:
    """Return whether the token or the payload is invalid. In doubt the token is kept."""
    violations = [
        violation
        for detail in details
        if detail.get("@type") == BAD_REQUEST
        for violation in _list(detail.get("fieldViolations"))
        if isinstance(violation, dict)
    ]
    # FCM sometimes names the token itself as the invalid field.
    others = [item for item in violations if _text(item.get("field")) != "message.token"]
    said = (message, *(_text(item.get("description")) for item in violations))
    if not others and _mentions(said, BAD_TOKEN):
        return Outcome.DEAD_ADDRESS, "invalid_token", None
    if _mentions(said, TOO_BIG):
        return Outcome.REJECTED, "payload_too_large", None
    return Outcome.DEFECT, "invalid_argument", None


def _fcm_code(error: Mapping[str, Any], details: Iterable[Mapping[str, Any]]) -> str:
    for detail in details:
        if detail.get("@type") == FCM_ERROR:
            return _text(detail.get("errorCode"))
    # Without an FcmError, only argument errors are classified further, by their details.
    return "INVALID_ARGUMENT" if error.get("status") == "INVALID_ARGUMENT" else ""


def _error_of(body: bytes) -> dict[str, Any]:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _mentions(said: Iterable[str], phrases: Iterable[str]) -> bool:
    return any(phrase in words.lower() for words in said for phrase in phrases)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
