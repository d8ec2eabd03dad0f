"""Dead letters: browse, inspect, replay one, discard."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller, Scope, caller_of
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem
from apps.common.rest.query_parameters import checked_query
from apps.notifications.api import dead_letter_answers as shown
from apps.notifications.api.answers import TimelineEntrySerializer
from apps.notifications.api.dead_letter_answers import (
    ActionSerializer,
    DeadLetterDetailSerializer,
    DeadLetterSerializer,
    DiscardSerializer,
    QuerySerializer,
    ReplayedSerializer,
    ReplayOneSerializer,
    filter_of,
)
from apps.notifications.dead_letters import history, replay_one
from apps.notifications.models import DeadLetter

TAGS = ["Dead letters"]
READ = Access(scope=Scope.OPERATIONS, staff="notifications.view_deadletter")
CHANGE = Access(scope=Scope.OPERATIONS, staff="notifications.change_deadletter")


def kind_for(caller: Caller) -> str:
    """Return the kind of letters that a caller may see; empty for staff, who see both.

    Poison messages are live: they belong to the installation and not to test keys.
    """
    return caller.kind.value if caller.is_key else ""


def visible_to(caller: Caller) -> QuerySet[DeadLetter]:
    """Return the dead letters that a caller may see."""
    kind = kind_for(caller)
    letters = DeadLetter.objects.select_related("notification")
    return letters.filter(kind=kind) if kind else letters


def find(caller: Caller, letter_id: UUID) -> DeadLetter:
    """Return one dead letter.

    Raises:
        Problem: 404 if it does not exist for this caller.
    """
    letter = visible_to(caller).filter(pk=letter_id).first()
    if letter is None:
        raise Problem(404, "There is no such dead letter.")
    return letter


class DeadLettersView(AccessTable, ListAPIView[DeadLetter]):
    """Notifications that could not be delivered, and messages that could not be processed."""

    access = {"GET": READ}
    serializer_class = DeadLetterSerializer

    def get_queryset(self) -> QuerySet[DeadLetter]:
        """Return the letters that the caller may see, filtered by the query."""
        query = checked_query(self.request, QuerySerializer)
        letters = filter_of(query).narrow(visible_to(caller_of(self.request)))
        return letters if query["state"] == "all" else letters.filter(state=query["state"])

    @extend_schema(
        operation_id="dead_letters_list",
        tags=TAGS,
        summary="List dead letters, newest first; by default those that are open",
        parameters=[QuerySerializer],
        responses=DeadLetterSerializer(many=True),
        examples=[OpenApiExample("A dead letter", shown.LETTER, response_only=True)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List dead letters."""
        return super().get(request, *args, **kwargs)


class DeadLetterView(AccessTable, APIView):
    """One dead letter."""

    access = {"GET": READ}

    @extend_schema(
        operation_id="dead_letters_read",
        tags=TAGS,
        summary="Read a dead letter: message, history, lineage and who did what",
        responses=DeadLetterDetailSerializer,
        examples=[OpenApiExample("A dead letter", shown.DETAIL, response_only=True)],
    )
    def get(self, request: Request, letter_id: UUID) -> Response:
        """Return all details of a dead letter."""
        letter = find(caller_of(request), letter_id)
        return Response(detail_of(letter))


def detail_of(letter: DeadLetter) -> dict[str, Any]:
    """Build the detailed representation of a dead letter."""
    return {
        **DeadLetterSerializer(letter).data,
        "x_death": letter.x_death,
        "message": letter.message,
        "timeline": TimelineEntrySerializer(history.timeline_of(letter), many=True).data,
        "lineage": [
            {
                "notification_id": row.pk,
                "replay_of": row.replay_of,
                "status": row.status,
                "reason": row.reason or None,
                "created_at": row.created_at,
            }
            for row in history.lineage_of(letter)
        ],
        "actions": ActionSerializer(history.actions_on(letter), many=True).data,
    }


class ReplayDeadLetterView(AccessTable, APIView):
    """Replay one dead letter."""

    access = {"POST": CHANGE}
    examples: ClassVar = {"POST": shown.REPLAY_ONE}
    problems: ClassVar = {"POST": (409, 422)}

    @extend_schema(
        operation_id="dead_letters_replay",
        tags=TAGS,
        summary="Replay a dead letter: its notification as a new one, or what poison names",
        request=ReplayOneSerializer,
        responses={202: ReplayedSerializer},
        examples=[
            OpenApiExample("Why", shown.REPLAY_ONE, request_only=True),
            OpenApiExample("Replayed", shown.REPLAYED, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request, letter_id: UUID) -> Response:
        """Replay a dead letter."""
        caller = caller_of(request)
        body = ReplayOneSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        letter = find(caller, letter_id)
        done = replay_one.replay(letter.pk, by=caller.client or "", **body.validated_data)
        answer = {**DeadLetterSerializer(done.letter).data, "woken": done.woken}
        return Response(answer, status=202)


class DiscardDeadLetterView(AccessTable, APIView):
    """Discard one dead letter."""

    access = {"POST": CHANGE}
    examples: ClassVar = {"POST": shown.DISCARD}
    problems: ClassVar = {"POST": (409,)}

    @extend_schema(
        operation_id="dead_letters_discard",
        tags=TAGS,
        summary="Discard a dead letter, with a reason",
        request=DiscardSerializer,
        responses=DeadLetterSerializer,
        examples=[
            OpenApiExample("Why", shown.DISCARD, request_only=True),
            OpenApiExample("Discarded", shown.DISCARDED, response_only=True),
        ],
    )
    def post(self, request: Request, letter_id: UUID) -> Response:
        """Discard a dead letter. Repeating it changes nothing."""
        caller = caller_of(request)
        body = DiscardSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        letter = find(caller, letter_id)
        reason = body.validated_data["reason"]
        letter = replay_one.discard(letter.pk, by=caller.client or "", reason=reason)
        return Response(DeadLetterSerializer(letter).data)
