"""Service discovery: who is alive, which providers there are, how deep the queues stand."""

from typing import Any

from celery import current_app
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Scope
from apps.common.permissions import Access, AccessTable
from apps.notifications import breakers, heartbeat, queues
from apps.notifications.breakers import Forced, State
from apps.notifications.delivery import routing
from apps.notifications.outbox import PUBLISH_ERRORS
from apps.notifications.providers.registry import providers_for
from apps.notifications.queues import Channel


class ProcessSerializer(serializers.Serializer[Any]):
    """One living process."""

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
    state = serializers.ChoiceField(choices=[state.value for state in State], source="effective")
    forced = serializers.ChoiceField(choices=[forced.value for forced in Forced])
    reason = serializers.CharField()


class ProviderSerializer(serializers.Serializer[Any]):
    """One configured provider; 1 is the preferred one of its channel."""

    name = serializers.CharField()
    channel = serializers.CharField()
    preference = serializers.IntegerField()
    breakers = BreakerSerializer(many=True)


class QueueSerializer(serializers.Serializer[Any]):
    """One queue; null where the broker does not answer."""

    name = serializers.CharField()
    messages = serializers.IntegerField(allow_null=True)


class ServicesSerializer(serializers.Serializer[Any]):
    """The installation as it lives now."""

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
            "version": heartbeat.VERSION,
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
            "breakers": [{"name": "smtp", "state": "closed", "forced": "auto", "reason": ""}],
        }
    ],
    "queues": [{"name": "email", "messages": 0}],
}


def queue_depths() -> dict[str, int | None]:
    """Ask the broker how many messages wait; None for each where it does not answer."""
    try:
        with current_app.connection_for_write() as connection:
            return dict(queues.depths(connection))
    except PUBLISH_ERRORS:
        return dict.fromkeys((*queues.LANES, queues.FAILED.name))


def breakers_of(provider: str, channel: str) -> list[dict[str, Any]]:
    """Show the breakers of a provider."""
    circuits = {name: breakers.shown(name) for name in routing.breakers_of(provider, channel)}
    return [
        {
            "name": name,
            "effective": circuit.effective,
            "forced": circuit.forced,
            "reason": circuit.reason,
        }
        for name, circuit in circuits.items()
    ]


class ServicesView(AccessTable, APIView):
    """Service discovery."""

    access = {"GET": Access(scope=Scope.OPERATIONS, staff="notifications.view_heartbeat")}

    @extend_schema(
        operation_id="list_services",
        tags=["Operations"],
        summary="Living processes, providers and queue depths",
        responses=ServicesSerializer,
        examples=[OpenApiExample("An installation", EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """Show what is alive."""
        answer = {
            "processes": heartbeat.living(),
            "providers": [
                {
                    "name": name,
                    "channel": channel.value,
                    "preference": place,
                    "breakers": breakers_of(name, channel),
                }
                for channel in Channel
                for place, name in enumerate(providers_for(channel), start=1)
            ],
            "queues": [
                {"name": name, "messages": messages} for name, messages in queue_depths().items()
            ],
        }
        return Response(ServicesSerializer(answer).data)
