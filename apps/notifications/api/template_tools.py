"""Endpoints to test a template: a preview for a given user, and a real send."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import caller_of
from apps.common.channels import Channel
from apps.common.rest.permissions import AccessTable
from apps.common.rest.problems import Problem, impossible, invalid
from apps.common.rest.serializers import StrictSerializer
from apps.common.throttling import RateLimitHeaders, spend_sending
from apps.notifications.api import examples as shown
from apps.notifications.api.answers import AcceptedSerializer, accepted_answer
from apps.notifications.api.notifications import SEND
from apps.notifications.intake import accept
from apps.notifications.intake.requests import SendRequest
from apps.notifications.models.notification import TEST_SEND
from apps.notifications.past_calls import missing_in_calls
from apps.templates import rendering
from apps.templates.api import version_views
from apps.templates.api import views as template_views
from apps.templates.api.serializers import LanguageField, PreviewSerializer
from apps.templates.versions import Publication
from apps.users import contacts

# The highest priority, because a user is waiting for the message.
TEST_SEND_PRIORITY = 9


class UserPreviewSerializer(PreviewSerializer):
    """The body of a preview."""

    component_name = "NewPreview"

    user_id = serializers.UUIDField(required=False, allow_null=True)


@extend_schema_view(post=extend_schema(request=UserPreviewSerializer))
class PreviewView(template_views.PreviewView):
    """A preview of the message in the language of a given user."""

    serializer_class = UserPreviewSerializer

    def locale_for(self, request: Request, given: dict[str, Any]) -> str | None:
        """Return the user's locale.

        Raises:
            Problem: 422 if the user does not exist.
        """
        user_id = given.get("user_id")
        return _locale_of(user_id) if user_id else None


class PublishView(version_views.PublishView):
    """Publish a version, and say in how many of the latest calls a new variable was missing."""

    def missing_in_calls(self, publication: Publication) -> tuple[dict[str, int], int]:
        """Count the calls of the last week in which newly required variables were missing."""
        return missing_in_calls(publication.version, publication.newly_required)


class TestSendSerializer(StrictSerializer):
    """The body of a test send; without a user it is sent to the caller."""

    user_id = serializers.UUIDField(required=False)
    variables = serializers.DictField(default=dict)
    language = LanguageField(required=False, allow_null=True)


class TestSendView(AccessTable, RateLimitHeaders, APIView):
    """Send a template to one user, through the whole pipeline."""

    access: ClassVar = {"POST": SEND}
    examples: ClassVar = {"POST": shown.TEST_SEND}
    problems: ClassVar = {"POST": (422,)}

    @extend_schema(
        operation_id="templates_test_send",
        tags=["Templates"],
        summary="Send a template to one user",
        request=TestSendSerializer,
        responses={202: AcceptedSerializer},
        examples=[
            OpenApiExample("To a user", shown.TEST_SEND, request_only=True),
            OpenApiExample(
                "Accepted",
                {**shown.ACCEPTED, "priority": TEST_SEND_PRIORITY, "request_id": None},
                response_only=True,
                status_codes=["202"],
            ),
        ],
    )
    def post(self, request: Request, template_code: str) -> Response:
        """Send the template like any notification, but with the highest priority."""
        caller = caller_of(request)
        body = TestSendSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        user_id = given.get("user_id") or caller.user_id
        if user_id is None:
            raise invalid("/user_id", "required", "An API key has no user of its own.")
        try:
            pinned = rendering.pin(
                template_code, language=given.get("language"), locale=_locale_of(user_id)
            )
        except rendering.UnknownTemplate:
            raise Problem(404, "There is no such template.") from None
        self.limited(spend_sending(caller=caller, cost=1))
        asked = SendRequest(
            notification_type=Channel(pinned.channel).value,
            user_id=user_id,
            template_code=template_code,
            variables=given["variables"],
            language=given.get("language"),
            priority=TEST_SEND_PRIORITY,
            metadata={TEST_SEND: True},
        )
        accepted = accept.accept(asked, caller=caller)
        return Response(accepted_answer(accepted.notification), status=202)


def _locale_of(user_id: UUID) -> str:
    locale = contacts.known_locale(user_id)
    if locale is None:
        raise impossible("/user_id", "unknown_user", "There is no such user.")
    return locale
