"""The query parameters of the list of notifications, and how far the list searches."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from apps.common.callers import Caller
from apps.common.ids import first_id_at, time_of
from apps.common.rest.query_parameters import checked_query
from apps.common.rest.serializers import StrictSerializer
from apps.notifications.api.answers import CHANNEL_CHOICES, STATUS_CHOICES
from apps.notifications.api.notification_access import indexed_for, visible_to
from apps.notifications.lifecycle.states import RARE
from apps.notifications.models import Attempt, Notification

# The filters that have an index, those first that find the fewest rows. A list is read by the first
# that is given; rare statuses have an index, too. Templates have none: with five million rows it
# took 30 µs of PostgreSQL for each notification, a quarter of all that a notification takes.
INDEXED = (
    "request_id",
    "provider_message_id",
    "correlation_id",
    "batch_id",
    "user_id",
    "status",
)


# The rows of a bulk call get their ids while it is answered, other rows have the batch's time.
BATCH_IDS = timedelta(minutes=10)


class NotificationFilters(StrictSerializer):
    """The filters of the list."""

    status = serializers.ChoiceField(choices=STATUS_CHOICES, required=False)
    notification_type = serializers.ChoiceField(choices=CHANNEL_CHOICES, required=False)
    user_id = serializers.UUIDField(required=False)
    template_code = serializers.CharField(max_length=100, required=False)
    request_id = serializers.CharField(max_length=255, required=False)
    correlation_id = serializers.CharField(max_length=128, required=False)
    batch_id = serializers.UUIDField(required=False)
    provider_message_id = serializers.CharField(
        max_length=255, required=False, help_text="The provider's id of a message, in full."
    )
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)


@dataclass(frozen=True, kw_only=True)
class Search:
    """A list of notifications.

    Attributes:
        rows: The rows that match all filters.
        indexed: The rows that are read for it, which an index finds. None if these are the same, or
            nearly.
    """

    rows: QuerySet[Notification]
    indexed: QuerySet[Notification] | None


def search(caller: Caller, request: Request) -> Search:
    """Filter a list by the query parameters.

    Times are converted to limits of the ids, which are UUIDv7, so that each index is used with
    them.

    Args:
        caller: Whose list it is.
        request: The request.

    Raises:
        Problem: 400 with a pointer to the invalid parameter.
    """
    values = checked_query(request, NotificationFilters)
    rows = visible_to(caller)
    times: dict[str, Any] = {}
    if "created_after" in values:
        times["pk__gte"] = first_id_at(values.pop("created_after"))
    if "created_before" in values:
        times["pk__lt"] = first_id_at(values.pop("created_before"))
    if not values:
        return Search(rows=rows.filter(**times), indexed=None)
    conditions = _conditions(values)
    leading = _leading(values)
    if leading is None:
        indexed = indexed_for(caller)
    else:
        indexed = Notification.objects.filter(**conditions[leading])
    for condition in conditions.values():
        rows = rows.filter(**condition)
    return Search(rows=rows.filter(**times), indexed=indexed.filter(**times))


def _leading(values: Mapping[str, Any]) -> str | None:
    """Return the filter whose index finds the fewest rows; None if no given filter has one."""
    for name in INDEXED:
        if name in values and (name != "status" or values[name] in RARE):
            return name
    return None


def _conditions(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the conditions of each filter."""
    conditions = {name: {name: value} for name, value in values.items()}
    if "notification_type" in conditions:
        conditions["notification_type"] = {"channel": values["notification_type"]}
    if "batch_id" in conditions:
        # The rows of a batch have ids of its time. Without this bound PostgreSQL may read all newer
        # rows of the table, where it believes that the rows of a big batch are spread over it.
        began = time_of(values["batch_id"])
        conditions["batch_id"] |= {
            "pk__gte": first_id_at(began),
            "pk__lt": first_id_at(began + BATCH_IDS),
        }
    if "provider_message_id" in conditions:
        calls = Attempt.objects.filter(provider_message_id=values["provider_message_id"])
        # The index has no calls without such an id.
        known = calls.exclude(provider_message_id="").values("notification_id")
        conditions["provider_message_id"] = {"pk__in": known}
    return conditions
