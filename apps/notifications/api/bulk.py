"""The endpoint for many notifications in one call. An invalid row does not affect the others."""

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
from apps.notifications.api import examples as shown
from apps.notifications.api.answers import BulkAnswerSerializer
from apps.notifications.api.idempotency import idempotency_key
from apps.notifications.api.notifications import SEND, TAGS
from apps.notifications.api.parsing import BulkRequestParser, body_as
from apps.notifications.intake.bulk import accept_bulk
from apps.notifications.intake.requests import BulkRequest
from apps.notifications.models import Batch


class BulkView(AccessTable, RateLimitHeaders, APIView):
    """Send up to a thousand notifications."""

    access = {"POST": SEND}
    parser_classes = (BulkRequestParser,)
    max_body_bytes = settings.BULK_BODY_MAX_BYTES
    examples = {"POST": shown.BULK}
    problems = {"POST": (422,)}

    @extend_schema(
        operation_id="notifications_bulk_send",
        tags=TAGS,
        summary="Send up to a thousand notifications; each is accepted or rejected by itself",
        parameters=[IDEMPOTENCY_KEY],
        request=body_of(BulkRequest, name="SendBulk"),
        responses={202: BulkAnswerSerializer},
        examples=[
            OpenApiExample("Two mails", shown.BULK, request_only=True),
            OpenApiExample("Accepted", shown.BULK_ANSWER, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Accept the valid rows, and return the result of each row, in order."""
        caller = caller_of(request)
        key = idempotency_key(request, rows=Batch.objects.all(), caller=caller)
        rows = body_as(BulkRequest, request).notifications
        self.limited(spend_sending(caller=caller, cost=len(rows)))
        answer, replayed = accept_bulk(rows, caller=caller, key=key)
        headers = {}
        if replayed:
            headers["Idempotency-Replayed"] = "true"
        return Response(answer, status=202, headers=headers)
