"""Bulk replays of dead letters: count, start, show the progress, stop."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller, caller_of
from apps.common.rest.permissions import AccessTable
from apps.common.rest.problems import Problem
from apps.notifications.api import dead_letter_answers as shown
from apps.notifications.api.dead_letter_answers import (
    PATH,
    CountSerializer,
    ReplayManySerializer,
    ReplaySerializer,
    filter_of,
)
from apps.notifications.api.dead_letters import CHANGE, READ, TAGS, kind_for
from apps.notifications.dead_letters import replay_many
from apps.notifications.models import DeadLetterReplay


def visible_to(caller: Caller) -> QuerySet[DeadLetterReplay]:
    """Return the replays that a caller may see: for an API key, those of its kind."""
    kind = kind_for(caller)
    replays = DeadLetterReplay.objects.all()
    return replays.filter(kind=kind) if kind else replays


def find(caller: Caller, replay_id: UUID) -> DeadLetterReplay:
    """Return one replay.

    Raises:
        Problem: 404 if it does not exist for this caller.
    """
    replay = visible_to(caller).filter(pk=replay_id).first()
    if replay is None:
        raise Problem(404, "There is no such replay.")
    return replay


def progress_of(replay: DeadLetterReplay) -> dict[str, Any]:
    """Build the representation of a replay with its progress."""
    itself = f"{PATH}/replays/{replay.pk}"
    progress = {
        "id": replay.pk,
        "state": replay.state,
        "filter": replay.criteria,
        "rate_per_second": replay.rate_per_second,
        "matched": replay.matched,
        "replayed": replay.replayed,
        "refused": replay.refused,
        "refusals": [
            {"detail": detail, "count": count} for detail, count in sorted(replay.refusals.items())
        ],
        "remaining": replay_many.remaining(replay),
        "by": replay.by,
        "note": replay.note,
        "created_at": replay.created_at,
        "ended_at": replay.ended_at,
        "links": {"self": itself, "cancel": f"{itself}/cancel"},
    }
    return dict(ReplaySerializer(progress).data)


class ReplayDeadLettersView(AccessTable, APIView):
    """Replay all dead letters that match."""

    access = {"POST": CHANGE}
    examples: ClassVar = {"POST": shown.REPLAY_MANY}

    @extend_schema(
        operation_id="dead_letters_replays_create",
        tags=TAGS,
        summary="Replay all open dead letters that match, at a rate",
        description=(
            "Answers at once with the count; the replay goes on in the background, the oldest "
            "first. With `dry_run` nothing is started, and the answer is a 200 with the count."
        ),
        request=ReplayManySerializer,
        responses={200: CountSerializer, 202: ReplaySerializer},
        examples=[
            OpenApiExample("What and how fast", shown.REPLAY_MANY, request_only=True),
            OpenApiExample("Count", {"matched": 1200}, response_only=True, status_codes=["200"]),
            OpenApiExample("Started", shown.REPLAY, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Count the matches and start the replay."""
        caller = caller_of(request)
        body = ReplayManySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        asked, kind = filter_of(given), kind_for(caller)
        if given["dry_run"]:
            return Response({"matched": replay_many.count(asked, kind=kind)})
        replay = replay_many.start(
            asked,
            kind=kind,
            by=caller.client or "",
            rate_per_second=given["rate_per_second"],
            note=given["note"],
        )
        return Response(progress_of(replay), status=202)


class DeadLetterReplaysView(AccessTable, ListAPIView[DeadLetterReplay]):
    """Bulk replays."""

    access = {"GET": READ}
    serializer_class = ReplaySerializer

    def get_queryset(self) -> QuerySet[DeadLetterReplay]:
        """Return the replays that the caller may see."""
        return visible_to(caller_of(self.request))

    @extend_schema(
        operation_id="dead_letters_replays_list",
        tags=TAGS,
        summary="List replays of many dead letters, newest first",
        responses=ReplaySerializer(many=True),
        examples=[OpenApiExample("A replay", shown.REPLAY, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """List bulk replays with their progress."""
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([progress_of(replay) for replay in page])


class DeadLetterReplayView(AccessTable, APIView):
    """One bulk replay."""

    access = {"GET": READ}

    @extend_schema(
        operation_id="dead_letters_replays_read",
        tags=TAGS,
        summary="Read the progress of a replay",
        responses=ReplaySerializer,
        examples=[OpenApiExample("A replay", shown.REPLAY, response_only=True)],
    )
    def get(self, request: Request, replay_id: UUID) -> Response:
        """Return the progress of a replay."""
        return Response(progress_of(find(caller_of(request), replay_id)))


class CancelDeadLetterReplayView(AccessTable, APIView):
    """Stop a replay."""

    access = {"POST": CHANGE}
    problems: ClassVar = {"POST": (409,)}

    @extend_schema(
        operation_id="dead_letters_replays_cancel",
        tags=TAGS,
        summary="Stop a replay; what was replayed stays so",
        request=None,
        responses=ReplaySerializer,
        examples=[
            OpenApiExample(
                "Cancelled",
                {**shown.REPLAY, "state": "cancelled", "ended_at": "2026-11-22T14:00:08Z"},
                response_only=True,
            )
        ],
    )
    def post(self, request: Request, replay_id: UUID) -> Response:
        """Stop a replay. Repeating it changes nothing."""
        caller = caller_of(request)
        replay = replay_many.cancel(find(caller, replay_id).pk, by=caller.client or "")
        return Response(progress_of(replay))
