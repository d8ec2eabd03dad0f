"""The query parameters of the list of notifications."""

from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from apps.common.callers import Caller, Scope
from apps.common.rest.permissions import Access
from apps.common.rest.query_parameters import checked_query
from apps.common.rest.serializers import StrictSerializer
from apps.notifications import search as notifications
from apps.notifications.api.answers import CHANNEL_CHOICES, STATUS_CHOICES
from apps.notifications.api.notification_access import indexed_for, visible_to
from apps.notifications.search import Search
from apps.users.account_access import VIEW
from apps.users.contacts import user_of_address

READ_USERS = Access(scope=Scope.USERS_READ, staff=VIEW)


class NotificationFilters(StrictSerializer):
    """The filters of the list."""

    status = serializers.ChoiceField(choices=STATUS_CHOICES, required=False)
    notification_type = serializers.ChoiceField(choices=CHANNEL_CHOICES, required=False)
    user_id = serializers.UUIDField(required=False)
    email = serializers.CharField(
        max_length=320,
        required=False,
        help_text=(
            "The notifications of the account that has this address today, in any spelling. "
            "A key needs the scope `users:read`, too."
        ),
    )
    template_code = serializers.CharField(max_length=100, required=False)
    request_id = serializers.CharField(max_length=255, required=False)
    correlation_id = serializers.CharField(max_length=128, required=False)
    batch_id = serializers.UUIDField(required=False)
    provider_message_id = serializers.CharField(
        max_length=255, required=False, help_text="The provider's id of a message, in full."
    )
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)


def search(caller: Caller, request: Request) -> Search:
    """Filter a list by the query parameters.

    Args:
        caller: Whose list it is.
        request: The request.

    Raises:
        Problem: 400 with a pointer to the invalid parameter.
        PermissionDenied: The caller may not look an address up.
    """
    values = checked_query(request, NotificationFilters)
    rows, newest = visible_to(caller), indexed_for(caller)
    if "email" in values:
        if not READ_USERS.allows(caller):
            raise PermissionDenied
        user_id = user_of_address(values.pop("email"))
        if user_id is None or values.setdefault("user_id", user_id) != user_id:
            return Search(rows=rows.none(), indexed=None)
    return notifications.search(values, rows=rows, newest=newest)
