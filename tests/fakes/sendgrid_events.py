"""SendGrid's side of its event webhook: it signs deliveries with a key of its own."""

import base64
import json
import time
from collections.abc import Mapping
from itertools import count
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

URL = "/api/v1/receipts/sendgrid"
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"

_numbers = count(1)


class EventSigner:
    """Delivers events as SendGrid does."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        """The verification key as SendGrid shows it."""
        public = self._key.public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    @property
    def pem(self) -> str:
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def headers(self, body: bytes, *, age: float = 0) -> dict[str, str]:
        timestamp = str(int(time.time() - age))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
        return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: timestamp}

    def deliver(self, *events: Mapping[str, Any], age: float = 0) -> Any:
        return self.deliver_body(json.dumps(events).encode(), age=age)

    def deliver_body(self, body: bytes, *, age: float = 0) -> Any:
        return post(body, self.headers(body, age=age))


def post(body: bytes, headers: Mapping[str, str]) -> Any:
    # Whoever signs for another process has no settings of Django's.
    from rest_framework.test import APIClient  # noqa: PLC0415

    caller: Any = APIClient(raise_request_exception=False)
    return caller.generic("POST", URL, body, content_type="application/json", headers=headers)


def event(notification_id: UUID | str | None, kind: str, **fields: Any) -> dict[str, Any]:
    """Make an event of a mail to Alice, as SendGrid sends it."""
    number = next(_numbers)
    given: dict[str, Any] = {
        "event": kind,
        "email": "alice@example.com",
        "timestamp": int(time.time()),
        "sg_event_id": f"event-{number}",
        "sg_message_id": f"message-{number}.filter",
        "smtp-id": "<x@example.com>",
        "correlation_id": "a correlation id",
    }
    if notification_id is not None:
        given["notification_id"] = str(notification_id)
    return {**given, **fields}
