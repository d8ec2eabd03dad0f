"""The query parameters of the list of notifications."""

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from apps.common.ids import first_id_at
from apps.common.rest.query_parameters import checked_query
from apps.common.rest.serializers import StrictSerializer
from apps.notifications.api.answers import CHANNEL_CHOICES, STATUS_CHOICES
from apps.notifications.models import Notification


class NotificationFilters(StrictSerializer):
    """The filters of the list."""

    status = serializers.ChoiceField(choices=STATUS_CHOICES, required=False)
    notification_type = serializers.ChoiceField(choices=CHANNEL_CHOICES, required=False)
    user_id = serializers.UUIDField(required=False)
    template_code = serializers.CharField(max_length=100, required=False)
    request_id = serializers.CharField(max_length=255, required=False)
    correlation_id = serializers.CharField(max_length=128, required=False)
    batch_id = serializers.UUIDField(required=False)
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)


def filtered(rows: QuerySet[Notification], request: Request) -> QuerySet[Notification]:
    """Filter the list by the query parameters.

    Times are converted to limits of the ids, which are UUIDv7, so that the list's index is used.

    Raises:
        Problem: 400 with a pointer to the invalid parameter.
    """
    values = checked_query(request, NotificationFilters)
    if "notification_type" in values:
        values["channel"] = values.pop("notification_type")
    if "created_after" in values:
        values["pk__gte"] = first_id_at(values.pop("created_after"))
    if "created_before" in values:
        values["pk__lt"] = first_id_at(values.pop("created_before"))
    return rows.filter(**values)
