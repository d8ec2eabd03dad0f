"""The HTTP API of accounts: registration, the list, and one profile."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller, Scope, caller_of
from apps.common.rest.pagination import NewestFirst
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import invalid, pointer_to
from apps.common.rest.query_parameters import checked_query
from apps.common.throttling import RateLimitHeaders, count_call
from apps.users import account_access, accounts, login_limits
from apps.users.addresses import MAX_LENGTH as ADDRESS_MAX_LENGTH
from apps.users.addresses import address_key
from apps.users.api.serializers import (
    EXAMPLE_USER_ID,
    NewUserIn,
    UserChangesIn,
    UserFilter,
    UserOut,
)
from apps.users.models import User
from apps.users.models.external_id import EXTERNAL_ID_MAX_LENGTH

# Not the user of the demo, so that the example can be sent there.
NEW_USER: dict[str, Any] = {
    "name": "Grace Hopper",
    "email": "grace.hopper@example.com",
    "password": "correct horse battery staple",
    "preferences": {"email": True, "push": True},
    "locale": "en-US",
    "timezone": "America/New_York",
    "push_token": "fcm-registration-token-of-the-phone",
    "external_id": "customer-1906",
}
USER_ANSWER: dict[str, Any] = {
    "id": EXAMPLE_USER_ID,
    "name": "Grace Hopper",
    "email": "grace.hopper@example.com",
    "email_confirmed": True,
    "pending_email": None,
    "locale": "en-US",
    "timezone": "America/New_York",
    "external_id": "customer-1906",
    "preferences": {"email": True, "push": True},
    "created_at": "2026-01-05T09:30:00Z",
    "updated_at": "2026-01-05T09:30:00Z",
}
EMAIL_PARAMETER = {"type": "string", "format": "email", "maxLength": ADDRESS_MAX_LENGTH}
EXTERNAL_ID_PARAMETER = {"type": "string", "minLength": 1, "maxLength": EXTERNAL_ID_MAX_LENGTH}
# Fields that an unauthenticated caller may not set: external ids of clients, and devices of others.
STAFF_ONLY_FIELDS = ("push_token", "external_id")


def refuse_fields(body: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Refuse fields that this caller may not set.

    Raises:
        Problem: 400 at the first such field.
    """
    for name in names:
        if body.get(name) is not None:
            detail = "This takes the key of a client application."
            raise invalid(pointer_to(name), "not_allowed", detail)


def answer(caller: Caller, user_id: UUID, permission: str) -> dict[str, Any]:
    """Read an account again and return its representation for this caller."""
    return dict(UserOut(account_access.find_user(caller, user_id, permission)).data)


class UsersView(AccessTable, RateLimitHeaders, APIView):
    """Create and list accounts."""

    pagination_class = NewestFirst

    access: ClassVar[Mapping[str, Access]] = {
        "GET": account_access.READ_ACCOUNT,
        "POST": Access(scope=Scope.USERS_WRITE, staff=account_access.ADD),
    }
    examples: ClassVar[Mapping[str, Any]] = {"POST": NEW_USER}
    problems: ClassVar[Mapping[str, tuple[int, ...]]] = {"POST": (409, 503)}

    def is_open(self, method: str | None) -> bool:
        """Whether the call needs no credential; the OpenAPI document asks as well."""
        return method == "POST" and settings.OPEN_REGISTRATION

    def check_permissions(self, request: Request) -> None:
        """Allow an unauthenticated caller to register if registration is open."""
        if not (request.auth is None and self.is_open(request.method)):
            super().check_permissions(request)

    @extend_schema(
        operation_id="users_list",
        tags=["Users"],
        summary="List users, or find one by its address or external id",
        parameters=[
            OpenApiParameter("email", EMAIL_PARAMETER, description="The address, in any case."),
            OpenApiParameter(
                "external_id", EXTERNAL_ID_PARAMETER, description="The calling client's own id."
            ),
        ],
        responses={200: UserOut(many=True)},
        examples=[OpenApiExample("A user", value=USER_ANSWER, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """Return a page of the accounts that the caller may see, newest first."""
        query = checked_query(request, UserFilter)
        caller = caller_of(request)
        users: QuerySet[User] = account_access.visible_users(caller, account_access.VIEW)
        if "email" in query:
            users = users.filter(email_key=address_key(query["email"]))
        if "external_id" in query:
            users = users.filter(external_ids__value=query["external_id"])
            if not caller.sees_all_clients:
                users = users.filter(
                    external_ids__value=query["external_id"],
                    external_ids__client=caller.client or "",
                )
            users = users.distinct()
        paginator = self.pagination_class()
        page = paginator.paginate_queryset(users, request, view=self)
        return paginator.get_paginated_response(UserOut(page, many=True).data)

    @extend_schema(
        operation_id="users_create",
        tags=["Users"],
        summary="Make a user",
        description=(
            "Without a key only where registration is open; `push_token` and `external_id` are "
            "refused then, and outside the embedded mode the address is used once it was "
            "confirmed by the link in a mail. Such an account gives way to one that is made with a "
            "key, and is deleted when its link has run out."
        ),
        request=NewUserIn,
        responses={201: UserOut},
        examples=[
            OpenApiExample("A user", value=NEW_USER, request_only=True),
            OpenApiExample("Made", value=USER_ANSWER, response_only=True, status_codes=["201"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Create an account."""
        stranger = request.auth is None
        if stranger:
            self.limited(count_call(request, group="registration"))
        body = NewUserIn(data=request.data)
        body.is_valid(raise_exception=True)
        new = accounts.NewAccount(**body.validated_data)
        if stranger:
            refuse_fields(body.validated_data, STAFF_ONLY_FIELDS)
            account = address_key(new.email)
            self.limited(count_call(request, group="registration", account=account))
            user = accounts.create(new=new, editor=accounts.Editor(client=None, trusted=False))
            return Response(UserOut(user).data, status=status.HTTP_201_CREATED)
        caller = caller_of(request)
        editor = accounts.Editor(client=caller.client, trusted=True)
        user = accounts.create(new=new, editor=editor)
        # Staff who may add accounts may not see all accounts, but they may see this new one.
        return Response(
            UserOut(_shown(caller, user)).data,
            status=status.HTTP_201_CREATED,
        )


def _shown(caller: Caller, user: User) -> User:
    """Attach the caller's external ids to a user that the caller has just created."""
    external_ids = user.external_ids.filter(client=caller.client or "")
    setattr(user, account_access.SHOWN_EXTERNAL_IDS, list(external_ids))
    return user


class UserView(AccessTable, RateLimitHeaders, APIView):
    """One account. ``apps.notifications.api`` adds DELETE, which also erases its notifications."""

    access: ClassVar[Mapping[str, Access]] = {
        "GET": account_access.READ_ACCOUNT,
        "PUT": account_access.CHANGE_ACCOUNT,
        "PATCH": account_access.CHANGE_ACCOUNT,
    }
    examples: ClassVar[Mapping[str, Any]] = {
        "PUT": {"name": "Ada King", "email": "ada@example.com", "locale": "en-GB"},
        "PATCH": {"name": "Ada King"},
    }
    problems: ClassVar[Mapping[str, tuple[int, ...]]] = {"PUT": (409, 503), "PATCH": (409, 503)}

    @extend_schema(
        operation_id="users_read",
        tags=["Users"],
        summary="Read a user",
        responses={200: UserOut},
        examples=[OpenApiExample("A user", value=USER_ANSWER, response_only=True)],
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        """Return the account."""
        return Response(answer(caller_of(request), user_id, account_access.VIEW))

    @extend_schema(
        operation_id="users_replace",
        tags=["Users"],
        summary="Replace a user's profile",
        description=(
            "`locale`, `timezone` and the calling client's `external_id` go back to their "
            "defaults when left out; password, preferences and devices stay."
        ),
        request=UserChangesIn,
        responses={200: UserOut},
        examples=[
            OpenApiExample("A profile", value=examples["PUT"], request_only=True),
            OpenApiExample("A user", value=USER_ANSWER, response_only=True),
        ],
    )
    def put(self, request: Request, user_id: UUID) -> Response:
        """Replace the profile."""
        defaults: accounts.AccountChanges = {"locale": "en", "timezone": "UTC"}
        if caller_of(request).client is not None:
            defaults["external_id"] = None
        return self._change(request, user_id, defaults, partial=False)

    @extend_schema(
        operation_id="users_update",
        tags=["Users"],
        summary="Change parts of a user's profile",
        description=(
            "An end user names the `current_password` to change `email` or `password`. Outside "
            "the embedded mode such an address is `pending_email` until it is confirmed. A new "
            "password ends every session. With a key an `email` confirms the account, and voids "
            "what was on an unconfirmed one: password, sessions, name, devices, preferences and "
            "external ids, but for what the body gives."
        ),
        request=UserChangesIn,
        responses={200: UserOut},
        examples=[
            OpenApiExample("A new name", value=examples["PATCH"], request_only=True),
            OpenApiExample("A user", value=USER_ANSWER, response_only=True),
        ],
    )
    def patch(self, request: Request, user_id: UUID) -> Response:
        """Change the fields that are in the body."""
        return self._change(request, user_id, {}, partial=True)

    def _change(
        self,
        request: Request,
        user_id: UUID,
        defaults: accounts.AccountChanges,
        *,
        partial: bool,
    ) -> Response:
        caller = caller_of(request)
        user = account_access.find_user(caller, user_id, account_access.CHANGE)
        superuser = bool(getattr(request.user, "is_superuser", False))
        account_access.refuse_staff_account(caller=caller, user=user, superuser=superuser)
        body = UserChangesIn(data=request.data, partial=partial)
        body.is_valid(raise_exception=True)
        changes = cast("accounts.AccountChanges", {**defaults, **body.validated_data})
        trusted = account_access.acts_for_others(caller, account_access.CHANGE)
        if caller.client is None:
            refuse_fields(body.validated_data, ("external_id",))
        if not trusted and accounts.changes_credentials(user, changes):
            # An attacker could guess the current password here as at the login, so count the call.
            self.limited(login_limits.count_proof(request, user=user))
        editor = accounts.Editor(client=caller.client, trusted=trusted)
        accounts.change(user=user, changes=changes, editor=editor)
        return Response(answer(caller, user_id, account_access.CHANGE))
