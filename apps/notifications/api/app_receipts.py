"""The endpoint by which an app reports that a push has arrived or was opened."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller
from apps.common.channels import Channel
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem
from apps.common.rest.serializers import StrictCharField, StrictSerializer
from apps.notifications.api import examples as shown
from apps.notifications.api.notification_access import visible_to
from apps.notifications.feedback.app_receipts import AppReceipt, read_token
from apps.notifications.feedback.events import APP, ProviderEvent, ReceiptEvent
from apps.notifications.feedback.receipts import take
from apps.notifications.models import Notification

OPENED: dict[str, Any] = {
    "notification_id": shown.NOTIFICATION_ID,
    "status": "opened",
    "receipt": "AZjww...:kZ3v...",
}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="api"'}
MAX_LENGTH = 512


class AppReceiptSerializer(StrictSerializer):
    """What an app reports about a push."""

    notification_id = serializers.UUIDField()
    status = serializers.ChoiceField(
        choices=[ReceiptEvent.DELIVERED.value, ReceiptEvent.OPENED.value]
    )
    receipt = StrictCharField(
        required=False,
        max_length=MAX_LENGTH,
        help_text="`data.receipt` of the push. Not needed with the token of the user.",
    )


class AppReceiptView(AccessTable, APIView):
    """Reports of apps. The receipt that rode in the push is a credential by itself."""

    access: ClassVar = {"POST": Access(anyone=True)}
    examples: ClassVar = {"POST": OPENED}
    problems: ClassVar = {"POST": (401, 403, 404, 409)}

    @staticmethod
    def is_open(method: str) -> bool:
        """Return whether a call needs no other credential."""
        return method == "POST"

    @extend_schema(
        operation_id="receipts_app_take",
        tags=["Receipts"],
        summary="Report that a push has arrived or was opened",
        description=(
            "The app sends back `data.receipt` of the push, or calls with the token of its user. "
            "Repeating it changes nothing."
        ),
        request=AppReceiptSerializer,
        responses={204: None},
        examples=[OpenApiExample("Opened", OPENED, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Take a report."""
        body = AppReceiptSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        signed = _signed(given)
        caller = request.auth if isinstance(request.auth, Caller) else None
        rows = Notification.objects.all() if signed else _rows_of(caller)
        row = rows.filter(pk=given["notification_id"], channel=Channel.PUSH).first()
        if row is None:
            raise Problem(404, "There is no such push.")
        take(
            row,
            ProviderEvent(
                provider=APP,
                event=ReceiptEvent(given["status"]),
                occurred_at=timezone.now(),
                device_id=signed.device_id if signed else None,
            ),
        )
        return Response(status=204)


def _signed(given: dict[str, Any]) -> AppReceipt | None:
    """Return the verified receipt of a call; None if it has none.

    Raises:
        Problem: 401 for one that we have not signed, or have signed for another notification.
    """
    if "receipt" not in given:
        return None
    found = read_token(given["receipt"])
    if found is None or found.notification_id != given["notification_id"]:
        detail = "This is not the receipt of this notification."
        raise Problem(401, detail, code="invalid_receipt", headers=CHALLENGE)
    return found


def _rows_of(caller: Caller | None) -> Any:
    """Return the notifications of a user.

    Raises:
        NotAuthenticated: Nobody is logged in.
        Problem: 403 for an API key, which has endpoints of its own.
    """
    if caller is None:
        raise NotAuthenticated("Send the receipt of the push, or the token of the user.")
    if caller.user_id is None:
        raise Problem(403, "A client application reports by /receipts/push.")
    return visible_to(caller).filter(user_id=caller.user_id)
