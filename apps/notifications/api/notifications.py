"""The endpoints to send, read, cancel and replay notifications."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller, Scope, caller_of
from apps.common.rest.fast_path import FastPost
from apps.common.rest.idempotency import IDEMPOTENCY_KEY
from apps.common.rest.openapi import body_of
from apps.common.rest.pagination import BoundedNewestFirst
from apps.common.rest.permissions import Access, AccessTable
from apps.common.throttling import RateLimitHeaders, spend_sending
from apps.notifications.api import examples as shown
from apps.notifications.api.answers import (
    AcceptedSerializer,
    NotificationSerializer,
    StatusSerializer,
    accepted_answer,
)
from apps.notifications.api.dead_letter_answers import MayHaveArrivedSerializer
from apps.notifications.api.filters import NotificationFilters, search
from apps.notifications.api.idempotency import (
    idempotency_key,
    with_idempotency_key,
)
from apps.notifications.api.notification_access import VIEW_PERMISSION, find
from apps.notifications.api.parsing import SendRequestParser, body_as
from apps.notifications.dead_letters import resend
from apps.notifications.intake import accept
from apps.notifications.intake.cancel import cancel
from apps.notifications.intake.requests import SendRequest
from apps.notifications.lifecycle import timeline
from apps.notifications.models import Notification

TAGS = ["Notifications"]
READ = Access(scope=Scope.NOTIFICATIONS_READ, staff=VIEW_PERMISSION, own=True)
SEND = Access(scope=Scope.NOTIFICATIONS_SEND, staff="notifications.add_notification")
CANCEL = Access(scope=Scope.NOTIFICATIONS_SEND, staff="notifications.change_notification")


class NotificationsView(FastPost, AccessTable, RateLimitHeaders, ListAPIView[Notification]):
    """Send a notification, or list those that were sent."""

    access = {"GET": READ, "POST": SEND}
    parser_classes = (SendRequestParser,)
    serializer_class = NotificationSerializer
    examples = {"POST": shown.SEND}
    problems = {"POST": (422,)}
    pagination_class = BoundedNewestFirst
    indexed: QuerySet[Notification] | None = None

    def get_queryset(self) -> Any:
        """Return the notifications that the caller may see, filtered by the query."""
        found = search(caller_of(self.request), self.request)
        self.indexed = found.indexed
        return found.rows

    @extend_schema(
        operation_id="notifications_list",
        tags=TAGS,
        summary="List notifications, newest first",
        description=(
            "A list that is filtered searches at most 10,000 rows for each page. If that was not "
            "enough to fill the page, `searched_to` says how far back it has searched, and `next` "
            "goes on from there, even if `results` is empty."
        ),
        parameters=[NotificationFilters],
        responses=NotificationSerializer(many=True),
        examples=[OpenApiExample("A notification", shown.NOTIFICATION, response_only=True)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List notifications, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="notifications_send",
        tags=TAGS,
        summary="Send a notification to a user",
        description=(
            "Stores the notification and answers before it is delivered. With a `request_id` the "
            "call may be repeated: the first answer comes again, with `Idempotency-Replayed: true`."
        ),
        parameters=[IDEMPOTENCY_KEY],
        request=body_of(SendRequest, name="SendNotification"),
        responses={202: AcceptedSerializer},
        examples=[
            OpenApiExample("A mail", shown.SEND, request_only=True),
            OpenApiExample("Accepted", shown.ACCEPTED, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Accept one notification."""
        asked = body_as(SendRequest, request)
        status, document, headers = self.post_fast(request, caller_of(request), asked)
        return Response(document, status=status, headers=headers)

    def post_fast(
        self, request: HttpRequest | Request, caller: Caller, body: SendRequest
    ) -> tuple[int, Any, dict[str, str]]:
        """Accept one notification."""
        asked = with_idempotency_key(request, body, rows=Notification.objects.all(), caller=caller)
        self.limited(spend_sending(caller=caller, cost=1))
        accepted = accept.accept(asked, caller=caller)
        headers = self.limit_headers()
        if accepted.replayed:
            headers["Idempotency-Replayed"] = "true"
        return 202, accepted_answer(accepted.notification), headers


class NotificationView(AccessTable, APIView):
    """One notification."""

    access = {"GET": READ}

    @extend_schema(
        operation_id="notifications_read",
        tags=TAGS,
        summary="Read a notification",
        responses=NotificationSerializer,
        examples=[OpenApiExample("A notification", shown.NOTIFICATION, response_only=True)],
    )
    def get(self, request: Request, notification_id: UUID) -> Response:
        """Return a notification."""
        row = find(caller_of(request), notification_id)
        return Response(NotificationSerializer(row).data)


class StatusView(AccessTable, APIView):
    """The status of a notification."""

    access = {"GET": READ}

    @extend_schema(
        operation_id="notifications_status_read",
        tags=TAGS,
        summary="Read the status and the timeline of a notification",
        responses=StatusSerializer,
        examples=[OpenApiExample("Sent", shown.STATUS, response_only=True)],
    )
    def get(self, request: Request, notification_id: UUID) -> Response:
        """Return the status and the timeline of a notification."""
        row = find(caller_of(request), notification_id)
        status = {
            "notification_id": row.pk,
            "status": row.status,
            "reason": row.reason or None,
            "attempts": row.attempts,
            "next_attempt_at": row.next_attempt_at,
            "updated_at": row.updated_at,
            "timeline": timeline.read(row),
        }
        return Response(StatusSerializer(status).data)


class CancelView(AccessTable, APIView):
    """Cancel a notification."""

    access = {"POST": CANCEL}
    problems = {"POST": (409,)}

    @extend_schema(
        operation_id="notifications_cancel",
        tags=TAGS,
        summary="Cancel a notification that has not gone out",
        request=None,
        responses=NotificationSerializer,
        examples=[
            OpenApiExample(
                "Cancelled",
                {**shown.NOTIFICATION, "status": "cancelled", "reason": "cancelled"},
                response_only=True,
            )
        ],
    )
    def post(self, request: Request, notification_id: UUID) -> Response:
        """Cancel a notification. Repeating it changes nothing."""
        row = cancel(find(caller_of(request), notification_id))
        return Response(NotificationSerializer(row).data)


class ReplayView(AccessTable, RateLimitHeaders, APIView):
    """Replay a notification."""

    access = {"POST": SEND}
    problems = {"POST": (409, 422)}

    @extend_schema(
        operation_id="notifications_replay",
        tags=TAGS,
        summary="Send a notification that ended badly once more, as a new one",
        description=(
            "A mail whose outcome is unknown may have arrived: it is replayed only with "
            "`may_have_arrived`, else the answer is a 409 with this code."
        ),
        parameters=[IDEMPOTENCY_KEY],
        request=MayHaveArrivedSerializer,
        responses={202: AcceptedSerializer},
        examples=[
            OpenApiExample("Anyway", {"may_have_arrived": True}, request_only=True),
            OpenApiExample(
                "Accepted",
                {**shown.ACCEPTED, "request_id": None, "replay_of": shown.BATCH_ID},
                response_only=True,
                status_codes=["202"],
            ),
        ],
    )
    def post(self, request: Request, notification_id: UUID) -> Response:
        """Replay a notification with its pinned content and current preferences and addresses."""
        caller = caller_of(request)
        body = MayHaveArrivedSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        original = find(caller, notification_id)
        key = idempotency_key(request, rows=Notification.objects.all(), caller=caller)
        self.limited(spend_sending(caller=caller, cost=1))
        done = resend.replay(original, caller=caller, key=key, **body.validated_data)
        headers = {"Idempotency-Replayed": "true"} if done.repeated else {}
        return Response(accepted_answer(done.notification), status=202, headers=headers)
