"""Examples for the forms of the browsable API and for the OpenAPI document."""

from typing import Any

USER_ID = "0198f0c2-7b1e-7d7a-9a55-2f6f0c1c7a10"
NOTIFICATION_ID = "0198f0c3-11aa-7c3e-8f20-5a4e6b7c8d90"
BATCH_ID = "0198f0c3-22bb-7aaa-9bbb-6c5d4e3f2a10"
SELF = f"/api/v1/notifications/{NOTIFICATION_ID}"

SEND: dict[str, Any] = {
    "notification_type": "email",
    "user_id": USER_ID,
    "template_code": "welcome",
    "variables": {"name": "Ada", "link": "https://example.com"},
    "request_id": "order-42-confirmation",
    "priority": 5,
    "metadata": {},
    "scheduled_for": None,
    "expires_at": None,
    "language": None,
    "reply_to": None,
}
ACCEPTED: dict[str, Any] = {
    "id": NOTIFICATION_ID,
    "notification_id": NOTIFICATION_ID,
    "request_id": "order-42-confirmation",
    "status": "pending",
    "notification_type": "email",
    "user_id": USER_ID,
    "template_code": "welcome",
    "template_version": 1,
    "language": "en",
    "reply_to": None,
    "priority": 5,
    "created_at": "2026-11-22T12:00:00Z",
    "scheduled_for": None,
    "expires_at": None,
    "correlation_id": "0198f0c3-1100-7000-8000-000000000001",
    "replay_of": None,
    "links": {"self": SELF, "status": f"{SELF}/status"},
}
NOTIFICATION: dict[str, Any] = {
    **ACCEPTED,
    "status": "delivered",
    "reason": None,
    "kind": "live",
    "variables": SEND["variables"],
    "metadata": {},
    "attempts": 1,
    "next_attempt_at": None,
    "updated_at": "2026-11-22T12:00:01Z",
    "batch_id": None,
}
STATUS: dict[str, Any] = {
    "notification_id": NOTIFICATION_ID,
    "status": "sent",
    "reason": None,
    "attempts": 1,
    "next_attempt_at": None,
    "updated_at": "2026-11-22T12:00:01Z",
    "timeline": [
        {
            "at": "2026-11-22T12:00:00Z",
            "status": "pending",
            "detail": "accepted",
            "attempt": None,
            "provider": None,
        },
        {
            "at": "2026-11-22T12:00:00.040Z",
            "status": "sending",
            "detail": "250 2.0.0, accepted, 12 ms",
            "attempt": 1,
            "provider": "smtp",
        },
        {
            "at": "2026-11-22T12:00:00.052Z",
            "status": "sent",
            "detail": "",
            "attempt": 1,
            "provider": "smtp",
        },
    ],
}
BULK: dict[str, Any] = {
    "notifications": [
        {
            "notification_type": "email",
            "user_id": USER_ID,
            "template_code": "welcome",
            "variables": {"name": "Ada", "link": "https://example.com"},
            "request_id": "newsletter-7-ada",
        }
    ]
}
BULK_ANSWER: dict[str, Any] = {
    "batch_id": BATCH_ID,
    "accepted": 1,
    "rejected": 0,
    "results": [{"index": 0, "id": NOTIFICATION_ID, "status": "accepted", "errors": []}],
}
TEST_SEND: dict[str, Any] = {
    "user_id": USER_ID,
    "variables": {"name": "Ada", "link": "https://example.com"},
}
