"""The generic endpoints for receipts, for providers without their own endpoint."""

from collections.abc import Callable
from datetime import UTC
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Scope, caller_of
from apps.common.channels import Channel
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import impossible
from apps.common.rest.serializers import StrictCharField, StrictSerializer
from apps.notifications.api import examples as shown
from apps.notifications.api.notification_access import visible_to
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent
from apps.notifications.feedback.receipts import take

Method = Callable[..., Response]

PROVIDER = "receipt"
# What another provider's system can report here.
EVENTS = (
    ReceiptEvent.DELIVERED,
    ReceiptEvent.FAILED,
    ReceiptEvent.BOUNCED,
    ReceiptEvent.OPENED,
)
RECEIPT: dict[str, Any] = {
    "notification_id": shown.NOTIFICATION_ID,
    "status": "delivered",
    "timestamp": "2026-11-22T12:00:03Z",
}
TAKEN: dict[str, Any] = {
    "notification_id": shown.NOTIFICATION_ID,
    "status": "delivered",
    "duplicate": False,
}


class ReceiptSerializer(StrictSerializer):
    """A provider's report."""

    notification_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=[event.value for event in EVENTS])
    timestamp = serializers.DateTimeField(required=False, default_timezone=UTC)
    error = StrictCharField(required=False, allow_blank=True, max_length=500)


class PushReceiptSerializer(ReceiptSerializer):
    """A provider's report about a push message."""

    device_id = serializers.UUIDField(
        required=False,
        help_text="Which device it is about; where it is missing, the only one that is left.",
    )


class TakenSerializer(serializers.Serializer[Any]):
    """The status of the notification after the receipt."""

    notification_id = serializers.UUIDField()
    status = serializers.CharField()
    duplicate = serializers.BooleanField()


class ReceiptView(AccessTable, APIView):
    """Receipts of one channel. Subclasses define it."""

    access: ClassVar = {
        "POST": Access(scope=Scope.OPERATIONS, staff="notifications.change_notification")
    }
    examples: ClassVar = {"POST": RECEIPT}
    problems: ClassVar = {"POST": (409, 422)}
    channel: ClassVar[Channel]
    body: ClassVar[type[ReceiptSerializer]] = ReceiptSerializer

    def take(self, request: Request) -> Response:
        """Find the notification and process the receipt."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        rows = visible_to(caller_of(request)).filter(channel=self.channel)
        notification = rows.filter(pk=given["notification_id"]).first()
        if notification is None:
            raise impossible(
                "/notification_id", "unknown_notification", "There is no such notification."
            )
        taken = take(
            notification,
            ProviderEvent(
                provider=PROVIDER,
                event=ReceiptEvent(given["status"]),
                occurred_at=given.get("timestamp") or timezone.now(),
                detail=given.get("error", ""),
                device_id=given.get("device_id"),
            ),
        )
        notification.refresh_from_db(fields=["status"])
        return Response(
            {
                "notification_id": notification.pk,
                "status": notification.status,
                "duplicate": not taken,
            }
        )


def _described(
    operation_id: str, summary: str, body: type[ReceiptSerializer] = ReceiptSerializer
) -> Callable[[Method], Method]:
    described: Callable[[Method], Method] = extend_schema(
        operation_id=operation_id,
        tags=["Receipts"],
        summary=summary,
        request=body,
        responses=TakenSerializer,
        examples=[
            OpenApiExample("Delivered", RECEIPT, request_only=True),
            OpenApiExample("Taken", TAKEN, response_only=True),
        ],
    )
    return described


class EmailReceiptView(ReceiptView):
    """Receipts for mails."""

    channel = Channel.EMAIL

    @_described("receipts_email_take", "Report what became of a mail")
    def post(self, request: Request) -> Response:
        """Process a receipt. Repeating it changes nothing."""
        return self.take(request)


class PushReceiptView(ReceiptView):
    """Receipts for push messages."""

    channel = Channel.PUSH
    body = PushReceiptSerializer

    @_described("receipts_push_take", "Report what became of a push message", PushReceiptSerializer)
    def post(self, request: Request) -> Response:
        """Process a receipt. Repeating it changes nothing."""
        return self.take(request)
