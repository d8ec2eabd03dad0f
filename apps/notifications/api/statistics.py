"""Statistics: what was accepted, attempted and ended, and how long it took, by minute to day."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller, Scope, caller_of
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import invalid
from apps.common.rest.query_parameters import checked_query
from apps.common.rest.serializers import StrictSerializer
from apps.notifications.api.notification_access import VIEW_PERMISSION
from apps.notifications.statistics import counters, series
from apps.notifications.statistics.series import STEPS, GroupBy, Point, Series

# A day of minutes has 1,440 points.
POINTS_MAX = 1500
# The length of an answer without ``from``, by step.
DEFAULT_RANGES = {
    "minute": timedelta(hours=1),
    "hour": timedelta(days=1),
    "day": timedelta(days=30),
}
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

EXAMPLE = {
    "from": "2026-11-28T10:00:00Z",
    "to": "2026-11-28T11:00:00Z",
    "step": "hour",
    "series": [
        {
            "group": {"channel": "email"},
            "points": [
                {
                    "at": "2026-11-28T10:00:00Z",
                    "accepted": 1200,
                    "ended": {"delivered": 1100, "failed": 4, "sent": 90},
                    "attempts": {"accepted": 1190, "rate_limited": 12, "transient": 9},
                    "latency_ms": {"p50": 76.1, "p95": 430.5, "p99": 1024.0},
                }
            ],
        }
    ],
}


class StatisticsFilters(StrictSerializer):
    """The query parameters. ``from`` is a word of Python, so two of the fields are added here."""

    step = serializers.ChoiceField(choices=list(STEPS), default="minute")
    group_by = serializers.ChoiceField(choices=[choice.value for choice in GroupBy], required=False)

    def get_fields(self) -> dict[str, Any]:
        """Add the time range."""
        times = {name: serializers.DateTimeField(required=False) for name in ("from", "to")}
        return {**times, **super().get_fields()}


class LatencySerializer(serializers.Serializer[Any]):
    """Percentiles of the time to deliver in milliseconds, at most 19 % too high."""

    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)


class PointSerializer(serializers.Serializer[Any]):
    """The counts of one period."""

    at = serializers.DateTimeField(help_text="The start of the period, UTC.")
    accepted = serializers.IntegerField(
        allow_null=True,
        help_text="Null in groups by status, reason or provider: it belongs to none of them.",
    )
    ended = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="By status. An ending that a receipt replaces moves to the later one.",
    )
    attempts = serializers.DictField(
        child=serializers.IntegerField(), help_text="Calls of providers, by outcome."
    )
    latency_ms = LatencySerializer(
        help_text="From the request or the scheduled time to the provider's acceptance."
    )


class SeriesSerializer(serializers.Serializer[Any]):
    """The points of one group. Periods in which nothing was counted have no point."""

    group = serializers.DictField(child=serializers.CharField())
    points = PointSerializer(many=True)


class StatisticsSerializer(serializers.Serializer[Any]):
    """The statistics of a time range."""

    to = serializers.DateTimeField()
    step = serializers.ChoiceField(choices=list(STEPS))
    series = SeriesSerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        """Add ``from``, which is a word of Python."""
        return {"from": serializers.DateTimeField(), **super().get_fields()}


class StatisticsView(AccessTable, APIView):
    """Counts and times by minute, hour or day."""

    access = {"GET": Access(scope=Scope.NOTIFICATIONS_READ, operations=True, staff=VIEW_PERMISSION)}

    @extend_schema(
        operation_id="statistics_read",
        tags=["Operations"],
        summary="Read what was accepted, attempted and ended, and how long it took",
        parameters=[
            OpenApiParameter("from", datetime, description="The start; its period is included."),
            OpenApiParameter("to", datetime, description="The end, not included; now by default."),
            OpenApiParameter("step", enum=list(STEPS), default="minute"),
            OpenApiParameter("group_by", enum=[choice.value for choice in GroupBy]),
        ],
        responses=StatisticsSerializer,
        examples=[OpenApiExample("An hour by channel", EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """Return the statistics that the caller may see.

        An API key sees its client's notifications of its own kind, and with the scope
        ``operations`` those of all clients. Staff see all.
        """
        values = checked_query(request, StatisticsFilters)
        step = values["step"]
        since, until = _range(values, step)
        group_by = GroupBy(values["group_by"]) if "group_by" in values else None
        found = series.read(
            since=since, until=until, step=step, group_by=group_by, **_visible(caller_of(request))
        )
        answer = {"from": since, "to": until, "step": step, "series": map(_shown, found)}
        return Response(StatisticsSerializer(answer).data)


def _range(values: dict[str, Any], step: str) -> tuple[datetime, datetime]:
    """Return the start of the first period and the end of the range.

    Raises:
        Problem: 400 if the range is empty or has too many periods.
    """
    until = values.get("to") or timezone.now()
    since = values.get("from") or until - DEFAULT_RANGES[step]
    if since >= until:
        raise invalid("?from", "out_of_range", "The start must be before the end.")
    since = counters.start_of(since, seconds=STEPS[step])
    points = (until - since).total_seconds() / STEPS[step]
    if points > POINTS_MAX:
        detail = f"An answer has at most {POINTS_MAX} points: ask for a longer step."
        raise invalid("?step", "too_many_points", detail)
    return since, until


def _visible(caller: Caller) -> dict[str, str | None]:
    if not caller.is_key:
        return {}
    own = {} if caller.sees_all_clients else {"client": caller.client}
    return {"kind": caller.kind.value, **own}


def _shown(found: Series) -> dict[str, Any]:
    return {"group": found.group, "points": [_point(point) for point in found.points]}


def _point(point: Point) -> dict[str, Any]:
    latency = {
        name: counters.percentile(point.latency, share) for name, share in PERCENTILES.items()
    }
    return {
        "at": point.at,
        "accepted": point.accepted,
        "ended": point.ended,
        "attempts": point.attempts,
        "latency_ms": latency,
    }
