"""The endpoint that says what would become of a request, without sending or storing anything."""

from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller, Scope, caller_of
from apps.common.channels import Channel
from apps.common.rest.openapi import body_of
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem
from apps.notifications.api import examples as shown
from apps.notifications.api.notification_access import VIEW_PERMISSION
from apps.notifications.api.parsing import ExplainRequestParser
from apps.notifications.batches.broadcast import checked
from apps.notifications.explain import audience, background, recipient
from apps.notifications.explain.verdicts import Outcome, Verdict
from apps.notifications.intake.requests import BroadcastRequest, ExplainRequest
from apps.notifications.models import AudienceExplanation

NEEDS_SCOPE = "What would be sent is shown to keys with the scope users:read."
VIEW_USERS = "users.view_user"
READ = Access(scope=Scope.NOTIFICATIONS_READ, staff=VIEW_PERMISSION)
RUNNING, FINISHED = "running", "finished"
EXAMPLE: dict[str, Any] = {
    "outcome": "skip",
    "reason": "opted_out",
    "at": None,
    "notification_type": "email",
    "provider": "smtp",
    "template": {"code": "welcome", "version": 3, "language": "en"},
    "devices": 0,
    "rules": [
        {"rule": "user", "verdict": "pass", "detail": "The user exists."},
        {
            "rule": "preferences",
            "verdict": "stop",
            "detail": "The recipient has turned this off in their preferences.",
        },
    ],
}
COUNTED: dict[str, Any] = {
    "state": "finished",
    "total": 3,
    "counts": [
        {"outcome": "send", "reason": None, "count": 2, "examples": [shown.USER_ID]},
        {"outcome": "skip", "reason": "no_device", "count": 1, "examples": [shown.USER_ID]},
    ],
}


STARTED: dict[str, Any] = {
    "explanation_id": shown.NOTIFICATION_ID,
    "links": {"self": f"/api/v1/notifications/explain/{shown.NOTIFICATION_ID}"},
}


class JudgedRuleSerializer(serializers.Serializer[Any]):
    """One rule with its verdict."""

    rule = serializers.CharField()
    verdict = serializers.ChoiceField(choices=[one.value for one in Verdict])
    detail = serializers.CharField()


class TemplateUsedSerializer(serializers.Serializer[Any]):
    """The version that would be sent."""

    code = serializers.CharField()
    version = serializers.IntegerField()
    language = serializers.CharField()


class ExplanationSerializer(serializers.Serializer[Any]):
    """What would become of a request."""

    outcome = serializers.ChoiceField(choices=[one.value for one in Outcome])
    reason = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True, help_text="When it would be judged again.")
    notification_type = serializers.ChoiceField(choices=[one.value for one in Channel])
    provider = serializers.CharField(allow_null=True)
    template = TemplateUsedSerializer(allow_null=True)
    devices = serializers.IntegerField(help_text="The devices that a push would go to.")
    rules = JudgedRuleSerializer(many=True)
    content = serializers.DictField(
        required=False,
        allow_null=True,
        help_text="Only if asked for; null for sensitive templates, and if nothing is composed.",
    )


class CountedSerializer(serializers.Serializer[Any]):
    """How many of an audience come to one outcome."""

    outcome = serializers.ChoiceField(choices=[one.value for one in Outcome])
    reason = serializers.CharField(allow_null=True)
    count = serializers.IntegerField()
    examples = serializers.ListField(child=serializers.UUIDField(), help_text="Ids of users.")


class AudienceExplanationSerializer(serializers.Serializer[Any]):
    """What would become of a broadcast."""

    state = serializers.ChoiceField(choices=[RUNNING, FINISHED])
    total = serializers.IntegerField()
    counts = CountedSerializer(many=True)


class ExplanationLinksSerializer(serializers.Serializer[Any]):
    """Where the explanation will be."""

    self = serializers.CharField()


class StartedSerializer(serializers.Serializer[Any]):
    """An audience that is explained in the background."""

    component_name = "ExplanationStarted"

    explanation_id = serializers.UUIDField()
    links = ExplanationLinksSerializer()


class ExplainView(AccessTable, APIView):
    """Say what would become of a request."""

    access: ClassVar = {"POST": READ}
    parser_classes = (ExplainRequestParser,)
    max_body_bytes = settings.BULK_BODY_MAX_BYTES
    examples: ClassVar = {"POST": shown.SEND}
    problems: ClassVar = {"POST": (422,)}

    @extend_schema(
        operation_id="notifications_explain",
        tags=["Notifications"],
        summary="Say what would become of a request, and why",
        description=(
            "The body of a send, or of a broadcast. Every rule that intake and delivery judge is "
            "judged by the same code. Nothing is stored, sent, or counted against a limit or an "
            "idempotency key. A broadcast is answered with counts by outcome and reason, and at "
            "most ten users of each as examples; above 10,000 people the answer is 202 with a link "
            "to the counts, which are kept for a day."
        ),
        request=body_of(ExplainRequest, name="Explain"),
        responses={
            200: PolymorphicProxySerializer(
                component_name="ExplanationOrCounts",
                serializers=[ExplanationSerializer, AudienceExplanationSerializer],
                resource_type_field_name=None,
            ),
            202: StartedSerializer,
        },
        examples=[
            OpenApiExample("A request", shown.SEND, request_only=True),
            OpenApiExample("Turned off", EXAMPLE, response_only=True),
            OpenApiExample("An audience", COUNTED, response_only=True),
            OpenApiExample("A large audience", STARTED, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Explain a request or a broadcast."""
        caller, asked = caller_of(request), request.data
        if isinstance(asked, BroadcastRequest):
            return _of_audience(asked, caller)
        if not isinstance(asked, ExplainRequest):
            raise Problem(400, "The body is empty.", code="malformed_json")
        if asked.content and not _sees_people(caller):
            raise Problem(403, NEEDS_SCOPE)
        made = recipient.explain(asked, caller=caller, with_content=asked.content)
        answer: dict[str, Any] = {
            "outcome": made.outcome,
            "reason": made.reason,
            "at": made.at,
            "notification_type": made.notification_type,
            "provider": made.provider,
            "template": made.template,
            "devices": made.devices,
            "rules": [
                {"rule": one.rule, "verdict": one.verdict, "detail": one.detail}
                for one in made.rules
            ],
        }
        if asked.content:
            answer["content"] = made.content
        shown_answer = ExplanationSerializer(answer).data
        if not asked.content:
            del shown_answer["content"]
        return Response(shown_answer)


def _of_audience(asked: BroadcastRequest, caller: Caller) -> Response:
    """Return the counts of a broadcast, or where they will be.

    Raises:
        Problem: 400.
    """
    checked(asked.audience)
    now = timezone.now()
    people = audience.members(asked, most=audience.PEOPLE_MAX + 1)
    if len(people) <= audience.PEOPLE_MAX:
        counts = audience.count(asked, people, caller=caller, now=now)
        answer = {"state": FINISHED, "total": counts.total, "counts": counts.lines()}
        return Response(AudienceExplanationSerializer(answer).data)
    # What cannot be judged is refused now.
    audience.count(asked, people[:1], caller=caller, now=now)
    started = background.start(asked, caller=caller)
    link = reverse("explanation", kwargs={"explanation_id": started.pk})
    answer = {"explanation_id": started.pk, "links": {"self": link}}
    return Response(StartedSerializer(answer).data, status=HTTPStatus.ACCEPTED)


class ExplanationView(AccessTable, APIView):
    """Read what would become of a large audience."""

    access: ClassVar = {"GET": READ}

    @extend_schema(
        operation_id="notifications_explanations_read",
        tags=["Notifications"],
        summary="Read the explanation of a large audience; it is kept for a day",
        responses=AudienceExplanationSerializer,
        examples=[OpenApiExample("An audience", COUNTED, response_only=True)],
    )
    def get(self, request: Request, explanation_id: UUID) -> Response:
        """Return the counts so far."""
        caller = caller_of(request)
        rows = AudienceExplanation.objects.all()
        if not caller.is_staff:
            rows = rows.filter(client=caller.client, kind=caller.kind)
        row = get_object_or_404(rows, pk=explanation_id)
        state = FINISHED if row.next_at is None else RUNNING
        answer = {"state": state, "total": row.total, "counts": row.found}
        return Response(AudienceExplanationSerializer(answer).data)


def _sees_people(caller: Caller) -> bool:
    if caller.is_staff:
        return VIEW_USERS in caller.permissions
    return Scope.USERS_READ in caller.scopes
