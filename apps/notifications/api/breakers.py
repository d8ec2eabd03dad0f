"""The endpoint to force circuit breakers open or closed."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Kind, Scope, caller_of
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem
from apps.common.rest.serializers import StrictSerializer
from apps.notifications.api.services import BreakerSerializer
from apps.notifications.flow_control import control
from apps.notifications.flow_control.breakers import Forced

FORCE: dict[str, Any] = {"state": "open"}
FORCED: dict[str, Any] = {
    "name": "smtp",
    "breakers": [
        {
            "name": "smtp",
            "state": "open",
            "forced": "open",
            "reason": "",
            "since": "2026-11-22T12:00:00Z",
            "next_probe_at": None,
            "forced_until": None,
            "forced_why": "",
        }
    ],
}


class ForceSerializer(StrictSerializer):
    """The state to force; ``auto`` removes the override."""

    component_name = "ForceBreaker"

    state = serializers.ChoiceField(choices=[forced.value for forced in Forced])


class ForcedSerializer(serializers.Serializer[Any]):
    """A provider with its breakers."""

    component_name = "ForcedBreaker"

    name = serializers.CharField()
    breakers = BreakerSerializer(many=True)


class ProviderBreakerView(AccessTable, APIView):
    """The breakers of one provider."""

    access: ClassVar = {
        "POST": Access(scope=Scope.OPERATIONS, staff="notifications.change_notification")
    }
    examples: ClassVar = {"POST": FORCE}

    @extend_schema(
        operation_id="providers_breaker_force",
        tags=["Operations"],
        summary="Force the breakers of a provider, or return them to automatic control",
        request=ForceSerializer,
        responses=ForcedSerializer,
        examples=[
            OpenApiExample("Stop using it", FORCE, request_only=True),
            OpenApiExample("Forced", FORCED, response_only=True),
        ],
    )
    def post(self, request: Request, name: str) -> Response:
        """Force the breakers of a provider. All workers apply it within half a second."""
        caller = caller_of(request)
        if caller.is_key and caller.kind is Kind.TEST:
            # Test messages are sent only to the sandbox, which has no breaker. All breakers are for
            # live messages.
            raise Problem(403, "The breakers are those of live messages; use a live key.")
        if not control.breakers_of(name):
            raise Problem(404, "There is no such provider.")
        body = ForceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        forced = Forced(body.validated_data["state"])
        shown = control.force(name, forced, by=caller.client or "")
        return Response(ForcedSerializer({"name": name, "breakers": shown}).data)
