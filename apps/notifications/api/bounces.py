"""The endpoint that takes a mail of the bounce mailbox."""

from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Scope, caller_of
from apps.common.rest.parsers import BytesParser
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import invalid
from apps.notifications.api import examples as shown
from apps.notifications.api.notification_access import visible_to
from apps.notifications.feedback.bounces.take import take

MESSAGE = "message/rfc822"
BOUNCE = """\
From: MAILER-DAEMON@mx.example.com
Subject: Undelivered Mail Returned to Sender
Message-ID: <20261122120003.1@mx.example.com>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; ada@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown

--b--
"""
TAKEN: dict[str, Any] = {
    "matched": True,
    "notification_id": shown.NOTIFICATION_ID,
    "event": "bounced",
}


class MessageParser(BytesParser):
    """Passes a mail on as it came."""

    media_type = MESSAGE


class BounceTakenSerializer(serializers.Serializer[Any]):
    """What the mail was."""

    matched = serializers.BooleanField(help_text="Whether it is about one of our mails.")
    notification_id = serializers.UUIDField(allow_null=True)
    event = serializers.CharField(
        help_text=(
            "`bounced`, `soft_bounced`, `failed`, `complained`, `deferred`, `delivered` or "
            "`unknown`; `auto_reply` or `other` for a mail that reports nothing."
        )
    )


class BouncesView(AccessTable, APIView):
    """Mails that came back, and complaints, as they arrive in the bounce mailbox."""

    access: ClassVar = {
        "POST": Access(scope=Scope.OPERATIONS, staff="notifications.change_notification")
    }
    parser_classes = (MessageParser,)
    max_body_bytes = settings.BULK_BODY_MAX_BYTES

    @extend_schema(
        operation_id="receipts_dsn_take",
        tags=["Receipts"],
        summary="Take a bounce or a complaint as it arrived by mail",
        description=(
            "The body is a whole mail of up to 8 MB: a delivery status notification (RFC 3464), an "
            "abuse report (RFC 5965), or a bounce in words. The recipient in it has to be the one "
            "of the notification. Any other mail is answered as well and changes nothing. "
            "Repeating it changes nothing."
        ),
        # Any bytes are a mail, so no type is given.
        request={MESSAGE: {"contentMediaType": MESSAGE}},
        responses={202: BounceTakenSerializer},
        examples=[
            OpenApiExample("A bounce", BOUNCE, request_only=True, media_type=MESSAGE),
            OpenApiExample("Taken", TAKEN, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Take a mail."""
        raw = request.data
        if not isinstance(raw, bytes) or not raw.strip():
            raise invalid("", "empty", "Expected a mail.")
        taken = take(raw, visible_to(caller_of(request)), now=timezone.now())
        answer = {
            "matched": taken.notification_id is not None,
            "notification_id": taken.notification_id,
            "event": taken.event,
        }
        return Response(answer, status=202)
