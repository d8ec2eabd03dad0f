"""The endpoint of SendGrid's event webhook."""

import json
import time
from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.rest.parsers import BytesParser, refuse_depth
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem, invalid, pointer_to
from apps.notifications.api import examples as shown
from apps.notifications.feedback import event_batches
from apps.notifications.feedback.sendgrid import events, signature

EVENTS: list[dict[str, Any]] = [
    {
        "event": "delivered",
        "email": "ada@example.com",
        "timestamp": 1795348803,
        "sg_event_id": "ZGVsaXZlcmVkLTAtMTIzNDU2Nzg",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "response": "250 OK",
        "notification_id": shown.NOTIFICATION_ID,
    }
]
BODY: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "description": "An event as SendGrid describes it; `notification_id` is ours.",
    },
}


class SignedBodyParser(BytesParser):
    """Passes the body on as it came, because its bytes are signed."""

    media_type = "application/json"


class SendGridEventsView(AccessTable, APIView):
    """Events that SendGrid reports. Its signature is the credential, so no other one is read."""

    access: ClassVar = {"POST": Access(anyone=True)}
    authentication_classes = ()
    parser_classes = (SignedBodyParser,)
    max_body_bytes = settings.BULK_BODY_MAX_BYTES
    examples: ClassVar = {"POST": EVENTS}
    problems: ClassVar = {"POST": (401, 404)}

    @extend_schema(
        operation_id="receipts_sendgrid_take",
        tags=["Receipts"],
        summary="Take a delivery of SendGrid's event webhook",
        description=(
            "SendGrid calls this; `docs/receipts.md` says how to set it up. Each event is taken "
            "once, in any order. An event that fits no notification is kept for 30 days and "
            "matched when its notification appears."
        ),
        parameters=[
            OpenApiParameter(
                signature.SIGNATURE_HEADER,
                str,
                OpenApiParameter.HEADER,
                description="Base64 of the ECDSA signature over the timestamp and the body.",
            ),
            OpenApiParameter(
                signature.TIMESTAMP_HEADER,
                str,
                OpenApiParameter.HEADER,
                description="When SendGrid signed it, in Unix seconds.",
            ),
        ],
        request={"application/json": BODY},
        responses={204: None},
        examples=[OpenApiExample("A delivery", EVENTS, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Take events."""
        if not settings.SENDGRID_WEBHOOK_PUBLIC_KEYS:
            raise Problem(404, "The event webhook of SendGrid is not set up.")
        # An empty body has no parser.
        body = request.data if isinstance(request.data, bytes) else b""
        signature.verify(
            body,
            signature=request.headers.get(signature.SIGNATURE_HEADER, ""),
            timestamp=request.headers.get(signature.TIMESTAMP_HEADER, ""),
            keys=settings.SENDGRID_WEBHOOK_PUBLIC_KEYS,
            now=time.time(),
            tolerance_seconds=settings.SENDGRID_WEBHOOK_TOLERANCE_SECONDS,
        )
        now = timezone.now()
        event_batches.take_all([events.read(event, now=now) for event in _events(body)])
        return Response(status=204)


def _events(body: bytes) -> list[dict[str, Any]]:
    """Decode a verified body.

    Raises:
        ParseError: It is not JSON.
        Problem: 400 if it is not a list of objects.
    """
    refuse_depth(body)
    try:
        # Not as strict as for other bodies: one odd character in the words of a mail server must
        # not hold back the other events.
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        message = f"The body is not valid JSON: {error}"
        raise ParseError(message, code="malformed_json") from None
    if not isinstance(given, list):
        raise invalid("", "not_a_list", "Expected a list of events.")
    for place, event in enumerate(given):
        if not isinstance(event, dict):
            raise invalid(pointer_to(place), "not_an_object", "Expected an event.")
    return given
