"""Register, change, test and rotate webhooks."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller, Scope, caller_of
from apps.common.rest.idempotency import IDEMPOTENCY_KEY, given_key
from apps.common.rest.pagination import NewestFirst
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem, impossible
from apps.webhooks import endpoints, subscriptions
from apps.webhooks.api import shapes as shown
from apps.webhooks.api.look_up import resolves_to_private
from apps.webhooks.api.shapes import (
    CreatedWebhookSerializer,
    DeliverySerializer,
    NewWebhookSerializer,
    RotatedSerializer,
    WebhookPatchSerializer,
    WebhookSerializer,
)
from apps.webhooks.endpoints import NewEndpoint
from apps.webhooks.models import Endpoint

TAGS = ["Webhooks"]
READ = Access(scope=Scope.WEBHOOKS_MANAGE, staff="webhooks.view_endpoint")
CHANGE = Access(scope=Scope.WEBHOOKS_MANAGE, staff="webhooks.change_endpoint")
ADD = Access(scope=Scope.WEBHOOKS_MANAGE, staff="webhooks.add_endpoint")
DELETE = Access(scope=Scope.WEBHOOKS_MANAGE, staff="webhooks.delete_endpoint")


def visible_to(caller: Caller) -> QuerySet[Endpoint]:
    """Return the endpoints that a caller may see: its client's, of its kind of key.

    Staff see all; a key with the scope ``operations`` all of its kind.
    """
    rows = Endpoint.objects.filter(deleted_at=None)
    if not caller.is_key:
        return rows
    rows = rows.filter(kind=caller.kind)
    return rows if caller.sees_all_clients else rows.filter(client=caller.client)


def find(caller: Caller, webhook_id: UUID) -> Endpoint:
    """Return one endpoint.

    Raises:
        Problem: 404 if it does not exist for this caller.
    """
    endpoint = visible_to(caller).filter(pk=webhook_id).first()
    if endpoint is None:
        raise Problem(404, "There is no such webhook.")
    return endpoint


def _refuse_private(url: str) -> None:
    """Refuse a name that leads into a private network now.

    Raises:
        Problem: 422. A name without an address now is accepted: each call judges it again.
    """
    if resolves_to_private(url):
        raise impossible(
            "/url",
            "address_not_allowed",
            "The host of this URL has an address that is not of the public internet.",
        )


class WebhooksView(AccessTable, ListAPIView[Endpoint]):
    """The webhooks of a client application."""

    access: ClassVar[Mapping[str, Access]] = {"GET": READ, "POST": ADD}
    serializer_class = WebhookSerializer
    pagination_class = NewestFirst
    examples: ClassVar = {"POST": shown.NEW}
    problems: ClassVar = {"POST": (409, 422)}

    def get_queryset(self) -> QuerySet[Endpoint]:
        """Return the endpoints that the caller may see."""
        return visible_to(caller_of(self.request))

    @extend_schema(
        operation_id="webhooks_list",
        tags=TAGS,
        summary="List webhooks, newest first",
        responses=WebhookSerializer(many=True),
        examples=[OpenApiExample("A webhook", shown.WEBHOOK, response_only=True)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List webhooks."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="webhooks_create",
        tags=TAGS,
        summary="Register a webhook; the answer shows its secret, this once",
        description=(
            "It gets the events of this client and of this kind of key that happen after the "
            "answer. The answer takes a second: then every process knows the webhook."
        ),
        parameters=[IDEMPOTENCY_KEY],
        request=NewWebhookSerializer,
        responses={201: CreatedWebhookSerializer},
        examples=[
            OpenApiExample("A webhook", shown.NEW, request_only=True),
            OpenApiExample("Registered", shown.CREATED, response_only=True, status_codes=["201"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Register a webhook."""
        caller = caller_of(request)
        body = NewWebhookSerializer(data=request.data, context={"caller": caller})
        body.is_valid(raise_exception=True)
        key = given_key(request)
        _refuse_private(body.validated_data["url"])
        endpoint, secret, repeated = endpoints.register(
            NewEndpoint(**body.validated_data),
            caller=caller,
            key=key.key if key is not None else None,
        )
        subscriptions.wait_until_known()
        answer = {**WebhookSerializer(endpoint).data, "secret": secret}
        headers = {"Idempotency-Replayed": "true"} if repeated else {}
        return Response(answer, status=201, headers=headers)


class WebhookView(AccessTable, APIView):
    """One webhook."""

    access: ClassVar[Mapping[str, Access]] = {"GET": READ, "PATCH": CHANGE, "DELETE": DELETE}
    examples: ClassVar = {"PATCH": {"enabled": True}}
    problems: ClassVar = {"PATCH": (422,)}

    @extend_schema(
        operation_id="webhooks_read",
        tags=TAGS,
        summary="Read a webhook",
        responses=WebhookSerializer,
        examples=[OpenApiExample("A webhook", shown.WEBHOOK, response_only=True)],
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """Return a webhook."""
        return Response(WebhookSerializer(find(caller_of(request), webhook_id)).data)

    @extend_schema(
        operation_id="webhooks_update",
        tags=TAGS,
        summary="Change, disable or enable a webhook",
        description=(
            "While it is disabled it gets no events, and those that still wait fail. Deliver them "
            "again when it is enabled."
        ),
        request=WebhookPatchSerializer,
        responses=WebhookSerializer,
        examples=[
            OpenApiExample("Enable it again", {"enabled": True}, request_only=True),
            OpenApiExample("A webhook", shown.WEBHOOK, response_only=True),
        ],
    )
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """Change a webhook."""
        caller = caller_of(request)
        endpoint = find(caller, webhook_id)
        body = WebhookPatchSerializer(data=request.data, partial=True, context={"caller": caller})
        body.is_valid(raise_exception=True)
        changes = body.validated_data
        if "url" in changes:
            _refuse_private(changes["url"])
        if changes:
            endpoint = endpoints.change(endpoint, changes, actor=caller.client or "")
            subscriptions.wait_until_known()
        return Response(WebhookSerializer(endpoint).data)

    @extend_schema(
        operation_id="webhooks_delete",
        tags=TAGS,
        summary="Delete a webhook with its log",
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        """Delete a webhook."""
        caller = caller_of(request)
        endpoints.delete(find(caller, webhook_id), actor=caller.client or "")
        return Response(status=204)


class RotateSecretView(AccessTable, APIView):
    """Give a webhook a new secret."""

    access: ClassVar[Mapping[str, Access]] = {"POST": CHANGE}

    @extend_schema(
        operation_id="webhooks_secret_rotate",
        tags=TAGS,
        summary="Give a webhook a new secret; the old one signs as well for 24 hours",
        request=None,
        responses=RotatedSerializer,
        examples=[OpenApiExample("A new secret", shown.ROTATED, response_only=True)],
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Rotate the secret."""
        caller = caller_of(request)
        endpoint = find(caller, webhook_id)
        secret = endpoints.rotate(endpoint, actor=caller.client or "")
        endpoint.refresh_from_db()
        answer = {"secret": secret, "previous_secret_until": endpoint.previous_until}
        return Response(RotatedSerializer(answer).data)


class TestWebhookView(AccessTable, APIView):
    """Send an event to try a webhook."""

    access: ClassVar[Mapping[str, Access]] = {"POST": CHANGE}
    problems: ClassVar = {"POST": (409,)}

    @extend_schema(
        operation_id="webhooks_test",
        tags=TAGS,
        summary="Send an event of the type webhook.test; its delivery says what came of it",
        request=None,
        responses={202: DeliverySerializer},
        examples=[
            OpenApiExample(
                "Sent",
                {**shown.DELIVERY, "event": "webhook.test", "notification_id": None},
                response_only=True,
                status_codes=["202"],
            )
        ],
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Send a test event."""
        caller = caller_of(request)
        row = endpoints.send_test(find(caller, webhook_id), actor=caller.client or "")
        return Response(DeliverySerializer(row).data, status=202)
