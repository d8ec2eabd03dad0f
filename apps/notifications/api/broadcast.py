"""The endpoint for broadcasts."""

from typing import ClassVar

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import caller_of
from apps.common.rest.idempotency import IDEMPOTENCY_KEY
from apps.common.rest.openapi import body_of
from apps.common.rest.permissions import AccessTable
from apps.common.throttling import RateLimitHeaders, spend_sending
from apps.notifications.api import batch_answers as shown
from apps.notifications.api.batch_answers import StartedSerializer, started_answer
from apps.notifications.api.batches import TAGS
from apps.notifications.api.idempotency import with_idempotency_key
from apps.notifications.api.notifications import SEND
from apps.notifications.api.parsing import BroadcastRequestParser, body_as
from apps.notifications.batches.broadcast import broadcast, cost
from apps.notifications.intake.requests import BroadcastRequest
from apps.notifications.models import Batch


class BroadcastView(AccessTable, RateLimitHeaders, APIView):
    """Send the same notification to many."""

    access = {"POST": SEND}
    parser_classes = (BroadcastRequestParser,)
    max_body_bytes = settings.BULK_BODY_MAX_BYTES
    examples: ClassVar = {"POST": shown.BROADCAST}
    problems: ClassVar = {"POST": (409, 422)}

    @extend_schema(
        operation_id="notifications_broadcast",
        tags=TAGS,
        summary="Send the same notification to named users, to everybody, or to a category",
        description=(
            "Answers at once; the notifications are made in the background. Everyone gets the "
            "version that is published when their notification is made, in their own language. "
            "`total` is null for everybody and for a category; the batch has it soon."
        ),
        parameters=[IDEMPOTENCY_KEY],
        request=body_of(BroadcastRequest, name="SendBroadcast"),
        responses={202: StartedSerializer},
        examples=[
            OpenApiExample("To a category", shown.BROADCAST, request_only=True),
            OpenApiExample(
                "Taken", shown.STARTED_COUNTING, response_only=True, status_codes=["202"]
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """Accept a broadcast."""
        caller = caller_of(request)
        body = body_as(BroadcastRequest, request)
        asked = with_idempotency_key(request, body, rows=Batch.objects.all(), caller=caller)
        self.limited(spend_sending(caller=caller, cost=cost(asked)))
        batch, replayed = broadcast(asked, caller=caller)
        headers = {"Idempotency-Replayed": "true"} if replayed else {}
        return Response(started_answer(batch), status=202, headers=headers)
