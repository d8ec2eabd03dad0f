"""The HTTP API of a user's devices."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import caller_of
from apps.common.rest.pagination import NewestFirst
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem
from apps.users import account_access, devices
from apps.users.account_access import CHANGE_ACCOUNT, READ_ACCOUNT
from apps.users.api.serializers import EXAMPLE_USER_ID, DeviceIn, DeviceOut
from apps.users.models import Device

DEVICE: dict[str, Any] = {
    "push_token": "fcm-registration-token-of-the-phone",
    "platform": "android",
}
DEVICE_ANSWER: dict[str, Any] = {
    "id": EXAMPLE_USER_ID,
    **DEVICE,
    "active": True,
    "retired_at": None,
    "retired_reason": "",
    "created_at": "2026-01-05T09:30:00Z",
    "last_seen_at": "2026-01-05T09:30:00Z",
}


class DevicesView(AccessTable, APIView):
    """The devices of a user."""

    pagination_class = NewestFirst

    access: ClassVar[Mapping[str, Access]] = {
        "GET": READ_ACCOUNT,
        "POST": CHANGE_ACCOUNT,
    }
    examples: ClassVar[Mapping[str, Any]] = {"POST": DEVICE}
    problems: ClassVar[Mapping[str, tuple[int, ...]]] = {"POST": (409,)}

    @extend_schema(
        operation_id="users_devices_list",
        tags=["Users"],
        summary="List a user's devices, the retired ones too",
        responses={200: DeviceOut(many=True)},
        examples=[OpenApiExample("A device", value=DEVICE_ANSWER, response_only=True)],
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        """Return a page of the devices, newest first."""
        user = account_access.find_user(caller_of(request), user_id, account_access.VIEW)
        paginator = self.pagination_class()
        page = paginator.paginate_queryset(
            Device.objects.filter(user_id=user.pk), request, view=self
        )
        return paginator.get_paginated_response(DeviceOut(page, many=True).data)

    @extend_schema(
        operation_id="users_devices_create",
        tags=["Users"],
        summary="Register a device",
        description=(
            "A token of another user leaves that user. A token that this user has already is "
            "brought up to date and answered with 200. An account whose address is not confirmed "
            "registers none (409)."
        ),
        request=DeviceIn,
        responses={201: DeviceOut, 200: DeviceOut},
        examples=[
            OpenApiExample("A device", value=DEVICE, request_only=True),
            OpenApiExample("Registered", value=DEVICE_ANSWER, response_only=True),
        ],
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        """Register a token."""
        user = account_access.find_user(caller_of(request), user_id, account_access.CHANGE)
        body = DeviceIn(data=request.data)
        body.is_valid(raise_exception=True)
        device, created = devices.register(
            user_id=user.pk,
            token=body.validated_data["push_token"],
            platform=body.validated_data.get("platform"),
        )
        code = status.HTTP_201_CREATED if created else status.HTTP_200_OK
        return Response(DeviceOut(device).data, status=code)


class DeviceView(AccessTable, APIView):
    """One device of a user."""

    access: ClassVar[Mapping[str, Access]] = {"DELETE": CHANGE_ACCOUNT}

    @extend_schema(
        operation_id="users_devices_delete",
        tags=["Users"],
        summary="Remove a device",
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, user_id: UUID, device_id: UUID) -> Response:
        """Delete a device."""
        user = account_access.find_user(caller_of(request), user_id, account_access.CHANGE)
        deleted, _ = Device.objects.filter(pk=device_id, user_id=user.pk).delete()
        if not deleted:
            raise Problem(404, "There is no such device.")
        return Response(status=status.HTTP_204_NO_CONTENT)
