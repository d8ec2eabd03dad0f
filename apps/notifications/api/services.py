"""Service discovery: running processes, providers and queue depths."""

from typing import Any

from celery import current_app
from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Scope
from apps.common.rest.permissions import Access, AccessTable
from apps.notifications.broker import topology
from apps.notifications.broker.publisher import PUBLISH_ERRORS
from apps.notifications.flow_control import control
from apps.notifications.flow_control.breakers import Forced, State
from apps.notifications.operations import heartbeat


class ProcessSerializer(serializers.Serializer[Any]):
    """One running process."""

    name = serializers.CharField()
    role = serializers.CharField()
    host = serializers.CharField()
    pid = serializers.IntegerField()
    version = serializers.CharField()
    queues = serializers.ListField(child=serializers.CharField())
    started_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()


class BreakerSerializer(serializers.Serializer[Any]):
    """One circuit breaker; push providers have one for each platform."""

    name = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in State])
    forced = serializers.ChoiceField(choices=[forced.value for forced in Forced])
    reason = serializers.CharField()
    since = serializers.DateTimeField(
        allow_null=True, help_text="Since when it is not closed, or is forced."
    )
    next_probe_at = serializers.DateTimeField(
        allow_null=True, help_text="When an open one lets a few calls through."
    )
    forced_until = serializers.DateTimeField(
        allow_null=True,
        help_text="When the force ends by itself; null if it is given back by hand.",
    )
    forced_why = serializers.CharField(help_text="Why staff forced it, in their words.")


class LimitSerializer(serializers.Serializer[Any]):
    """The rate limit of a provider in calls per second, for all workers together."""

    per_second = serializers.FloatField(allow_null=True, help_text="Now; null means any number.")
    maximum_per_second = serializers.FloatField(
        allow_null=True, help_text="As configured; null where there is no fixed limit."
    )
    slowed = serializers.BooleanField(help_text="Whether the provider asked for fewer calls.")
    paused_until = serializers.DateTimeField(
        allow_null=True, help_text="The provider wants no call before."
    )


class ProviderSerializer(serializers.Serializer[Any]):
    """One configured provider; 1 is the preferred one of its channel."""

    name = serializers.CharField()
    channel = serializers.CharField()
    preference = serializers.IntegerField()
    breakers = BreakerSerializer(many=True)
    limit = LimitSerializer()


class QueueSerializer(serializers.Serializer[Any]):
    """One queue; null if the broker does not respond."""

    name = serializers.CharField()
    messages = serializers.IntegerField(allow_null=True)


class ServicesSerializer(serializers.Serializer[Any]):
    """The current state of the installation."""

    processes = ProcessSerializer(many=True)
    providers = ProviderSerializer(many=True)
    queues = QueueSerializer(many=True)


EXAMPLE = {
    "processes": [
        {
            "name": "worker-email@host-1:4711",
            "role": "worker-email",
            "host": "host-1",
            "pid": 4711,
            "version": settings.VERSION,
            "queues": ["email", "email.bulk"],
            "started_at": "2026-11-22T12:00:00Z",
            "seen_at": "2026-11-22T12:05:00Z",
        }
    ],
    "providers": [
        {
            "name": "smtp",
            "channel": "email",
            "preference": 1,
            "breakers": [
                {
                    "name": "smtp",
                    "state": "closed",
                    "forced": "auto",
                    "reason": "",
                    "since": None,
                    "next_probe_at": None,
                    "forced_until": None,
                    "forced_why": "",
                }
            ],
            "limit": {
                "per_second": 14.0,
                "maximum_per_second": 14.0,
                "slowed": False,
                "paused_until": None,
            },
        }
    ],
    "queues": [{"name": "email", "messages": 0}],
}


def queue_depths() -> dict[str, int | None]:
    """Return the number of messages of each queue; None for each if the broker is unavailable."""
    try:
        with current_app.connection_for_write() as connection:
            return dict(topology.depths(connection))
    except PUBLISH_ERRORS:
        return dict.fromkeys(topology.SHOWN_QUEUES)


class ServicesView(AccessTable, APIView):
    """Service discovery."""

    access = {"GET": Access(scope=Scope.OPERATIONS, staff="notifications.view_heartbeat")}

    @extend_schema(
        operation_id="services_list",
        tags=["Operations"],
        summary="Living processes, providers and queue depths",
        responses=ServicesSerializer,
        examples=[OpenApiExample("An installation", EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """Return processes, providers and queues."""
        answer = {
            "processes": heartbeat.alive(),
            "providers": control.configured(),
            "queues": [
                {"name": name, "messages": messages} for name, messages in queue_depths().items()
            ],
        }
        return Response(ServicesSerializer(answer).data)
