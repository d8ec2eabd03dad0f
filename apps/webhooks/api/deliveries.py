"""The log of a webhook, and delivering again."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import caller_of
from apps.common.rest.pagination import NewestFirst
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem, invalid
from apps.common.rest.query_parameters import checked_query
from apps.webhooks import redelivery
from apps.webhooks.api import shapes as shown
from apps.webhooks.api.shapes import (
    BegunSerializer,
    DeliveriesQuery,
    DeliverySerializer,
    WindowSerializer,
)
from apps.webhooks.api.views import CHANGE, READ, TAGS, find
from apps.webhooks.models import Delivery


class DeliveriesView(AccessTable, ListAPIView[Delivery]):
    """The deliveries of a webhook."""

    access: ClassVar[Mapping[str, Access]] = {"GET": READ}
    serializer_class = DeliverySerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Delivery]:
        """Return the deliveries that the query asks for."""
        query = checked_query(self.request, DeliveriesQuery)
        endpoint = find(caller_of(self.request), self.kwargs["webhook_id"])
        rows = Delivery.objects.filter(endpoint_id=endpoint.pk)
        if state := query.get("state"):
            rows = rows.filter(state=state)
        return rows

    @extend_schema(
        operation_id="webhooks_deliveries_list",
        tags=TAGS,
        summary="List the deliveries of a webhook with their attempts, newest first",
        parameters=[DeliveriesQuery],
        responses=DeliverySerializer(many=True),
        examples=[OpenApiExample("A delivery", shown.DELIVERY, response_only=True)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List deliveries."""
        return super().get(request, *args, **kwargs)


class RedeliverView(AccessTable, APIView):
    """Deliver one event again."""

    access: ClassVar[Mapping[str, Access]] = {"POST": CHANGE}
    problems: ClassVar = {"POST": (409,)}

    @extend_schema(
        operation_id="webhooks_deliveries_redeliver",
        tags=TAGS,
        summary="Deliver one event again, with the same id and a new schedule of attempts",
        request=None,
        responses={202: DeliverySerializer},
        examples=[
            OpenApiExample("Due now", shown.DELIVERY, response_only=True, status_codes=["202"])
        ],
    )
    def post(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:
        """Deliver one event again."""
        caller = caller_of(request)
        endpoint = find(caller, webhook_id)
        row = Delivery.objects.filter(endpoint_id=endpoint.pk, pk=delivery_id).first()
        if row is None:
            raise Problem(404, "There is no such delivery.")
        row = redelivery.redeliver(endpoint, row, actor=caller.client or "")
        return Response(DeliverySerializer(row).data, status=202)


class RedeliverWindowView(AccessTable, APIView):
    """Deliver the events of a time window again."""

    access: ClassVar[Mapping[str, Access]] = {"POST": CHANGE}
    examples: ClassVar = {"POST": shown.WINDOW}
    problems: ClassVar = {"POST": (409, 422)}

    @extend_schema(
        operation_id="webhooks_redeliver",
        tags=TAGS,
        summary="Deliver again what happened in a time window",
        description="At most 100,000 deliveries, by the time at which they were made.",
        request=WindowSerializer,
        responses={202: BegunSerializer},
        examples=[
            OpenApiExample("An hour", shown.WINDOW, request_only=True),
            OpenApiExample("Begun", {"count": 42}, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Deliver a window again."""
        caller = caller_of(request)
        endpoint = find(caller, webhook_id)
        body = WindowSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        if given["until"] <= given["since"]:
            raise invalid("/until", "out_of_range", "The end must be after the begin.")
        count = redelivery.redeliver_window(
            endpoint,
            since=given["since"],
            until=given["until"],
            state=given.get("state"),
            actor=caller.client or "",
        )
        return Response({"count": count}, status=202)
