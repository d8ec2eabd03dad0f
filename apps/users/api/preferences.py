"""The HTTP API of a user's preferences."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import caller_of
from apps.common.rest.permissions import Access, AccessTable
from apps.users import account_access, preferences
from apps.users.account_access import CHANGE_ACCOUNT, READ_ACCOUNT
from apps.users.api.preference_serializers import (
    PreferencesOut,
    PreferencesPatchIn,
    PreferencesPut,
)

PREFERENCES: dict[str, Any] = {
    "email": True,
    "push": True,
    "categories": {"newsletter": {"email": False, "push": True}},
    "quiet_hours": {"start": "22:00", "end": "07:00"},
}
PREFERENCES_PATCH: dict[str, Any] = {"categories": {"newsletter": {"email": False}}}


class PreferencesView(AccessTable, APIView):
    """The notification preferences of a user."""

    access: ClassVar[Mapping[str, Access]] = {
        "GET": READ_ACCOUNT,
        "PUT": CHANGE_ACCOUNT,
        "PATCH": CHANGE_ACCOUNT,
    }
    examples: ClassVar[Mapping[str, Any]] = {"PUT": PREFERENCES, "PATCH": PREFERENCES_PATCH}

    @extend_schema(
        operation_id="users_preferences_read",
        tags=["Users"],
        summary="Read a user's preferences",
        responses={200: PreferencesOut},
        examples=[OpenApiExample("Preferences", value=PREFERENCES, response_only=True)],
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        """Return the preferences."""
        user = account_access.find_user(caller_of(request), user_id, account_access.VIEW)
        return Response(PreferencesOut(preferences.of_user(user)).data)

    @extend_schema(
        operation_id="users_preferences_replace",
        tags=["Users"],
        summary="Replace a user's preferences",
        request=PreferencesPut,
        responses={200: PreferencesOut},
        examples=[OpenApiExample("Preferences", value=PREFERENCES)],
    )
    def put(self, request: Request, user_id: UUID) -> Response:
        """Replace the preferences; omitted categories and quiet hours are removed."""
        user = account_access.find_user(caller_of(request), user_id, account_access.CHANGE)
        body = PreferencesPut(data=request.data)
        body.is_valid(raise_exception=True)
        stored = preferences.replace(user_id=user.pk, preferences=body.preferences())
        return Response(PreferencesOut(stored).data)

    @extend_schema(
        operation_id="users_preferences_update",
        tags=["Users"],
        summary="Change a user's preferences",
        description="What is left out stays; a category of `null` is forgotten.",
        request=PreferencesPatchIn,
        responses={200: PreferencesOut},
        examples=[
            OpenApiExample("No newsletter", value=PREFERENCES_PATCH, request_only=True),
            OpenApiExample("Preferences", value=PREFERENCES, response_only=True),
        ],
    )
    def patch(self, request: Request, user_id: UUID) -> Response:
        """Merge the body into the preferences."""
        user = account_access.find_user(caller_of(request), user_id, account_access.CHANGE)
        body = PreferencesPatchIn(data=request.data)
        body.is_valid(raise_exception=True)
        patch = cast("preferences.PreferencesPatch", body.validated_data)
        return Response(PreferencesOut(preferences.merge(user_id=user.pk, patch=patch)).data)
