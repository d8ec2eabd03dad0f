"""The events in the OpenAPI document (3.1 ``webhooks``)."""

from typing import Any

from apps.webhooks.event_types import EVENT_TYPES, TEST, EventType

HEADERS = (
    ("webhook-id", "The id of the event, the same at each attempt. Take an id once."),
    ("webhook-timestamp", "When this attempt was made, in Unix seconds."),
    (
        "webhook-signature",
        "One or more signatures, separated by blanks, one of which is right: see docs/webhooks.md.",
    ),
)
TEST_TYPE = EventType(
    summary="Somebody tries the webhook.",
    properties={"webhook_id": {"type": "string", "format": "uuid"}},
)


def add_webhooks(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Describe each event: its headers, its body and what answers mean."""
    described = {name: _described(name, one) for name, one in EVENT_TYPES.items()}
    return {**result, "webhooks": {**described, TEST: _described(TEST, TEST_TYPE)}}


def _described(name: str, event: EventType) -> dict[str, Any]:
    return {
        "post": {
            "operationId": f"event_{name.replace('.', '_')}",
            "tags": ["Webhooks"],
            "summary": event.summary,
            "parameters": [
                {
                    "name": header,
                    "in": "header",
                    "required": True,
                    "description": text,
                    "schema": {"type": "string"},
                }
                for header, text in HEADERS
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _body(name, event)}},
            },
            "responses": {
                "2XX": {"description": "Taken. Any other answer is tried again."},
                "410": {"description": "The webhook wants no more events, and is disabled."},
            },
        }
    }


def _body(name: str, event: EventType) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "const": name},
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened. Events may arrive in another order.",
            },
            "data": {
                "type": "object",
                "required": sorted(event.properties),
                "properties": dict(event.properties),
            },
        },
    }
