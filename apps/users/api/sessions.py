"""Login, refresh, logout and the links in mails; none of them needs a credential in the header."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.serializers import StrictSerializer
from apps.common.throttling import RateLimitHeaders, count_call
from apps.users import (
    confirmations,
    known_browsers,
    login,
    login_limits,
    password_resets,
    tokens,
)
from apps.users.addresses import address_key
from apps.users.api.profiles import USER_ANSWER
from apps.users.api.serializers import (
    ConfirmIn,
    LoginIn,
    LoginOut,
    RefreshIn,
    ResetConfirmIn,
    ResetIn,
    TokensOut,
    UserOut,
)

LOGIN = {"email": "ada@example.com", "password": "correct horse battery staple"}
REFRESH = {"refresh": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.signature"}
TOKENS: dict[str, Any] = {
    "access": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.signature",
    "refresh": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.signature",
    "token_type": "Bearer",
    "expires_in": 900,
}
RESET = {"email": "ada@example.com"}
RESET_CONFIRM = {"token": "token-of-the-link", "password": "correct horse battery staple"}
CONFIRM = {"token": "token-of-the-link"}


def printed(issued: tokens.Tokens) -> dict[str, Any]:
    """Return the response body for new tokens."""
    return {
        "access": issued.access,
        "refresh": issued.refresh,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
    }


class OpenView(AccessTable, RateLimitHeaders, APIView):
    """Base of views without authentication, so that an expired token does not stop a login."""

    authentication_classes = ()
    access: ClassVar[Mapping[str, Access]] = {"POST": Access(anyone=True)}

    def body(self, request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
        """Return the validated body.

        Raises:
            ValidationError: 400.
        """
        parsed = serializer(data=request.data)
        parsed.is_valid(raise_exception=True)
        return dict(parsed.validated_data)


class LoginView(OpenView):
    """Issue tokens for an address and a password."""

    examples: ClassVar[Mapping[str, Any]] = {"POST": LOGIN}
    problems: ClassVar[Mapping[str, tuple[int, ...]]] = {"POST": (401, 503)}

    @extend_schema(
        operation_id="users_login",
        tags=["Login"],
        summary="Log in",
        description=(
            "Tries are limited by the caller's address and by the account. A caller that sends the "
            "cookie `known_browser` of an earlier login to the account is counted by itself."
        ),
        request=LoginIn,
        responses={200: LoginOut},
        examples=[
            OpenApiExample("A login", value=LOGIN, request_only=True),
            OpenApiExample("Tokens", value={**TOKENS, "user": USER_ANSWER}, response_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Log in."""
        try:
            given = self.body(request, LoginIn)
        except APIException:
            # The account is unknown, so count by the address of the caller only.
            self.limited(count_call(request, group=login_limits.GROUP))
            raise
        for state in login_limits.count_login(request, account=address_key(given["email"])):
            self.limited(state)
        user, issued = login.log_in(
            email=given["email"], password=given["password"], code=given.get("one_time_code")
        )
        response = Response({**printed(issued), "user": UserOut(user).data})
        known_browsers.remember(request, response, user)
        return response


class RefreshView(OpenView):
    """Issue new tokens for a refresh token, which can be used once."""

    examples: ClassVar[Mapping[str, Any]] = {"POST": REFRESH}
    problems: ClassVar[Mapping[str, tuple[int, ...]]] = {"POST": (401,)}

    @extend_schema(
        operation_id="users_token_refresh",
        tags=["Login"],
        summary="Take new tokens for a refresh token",
        description=(
            "A refresh token is used once. A second use, also at the same moment, is a 401 and "
            "revokes every refresh token that follows the same login."
        ),
        request=RefreshIn,
        responses={200: TokensOut},
        examples=[
            OpenApiExample("A refresh token", value=REFRESH, request_only=True),
            OpenApiExample("Tokens", value=TOKENS, response_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Rotate the refresh token."""
        self.limited(count_call(request, group="refresh"))
        raw = self.body(request, RefreshIn)["refresh"]
        try:
            account = str(tokens.refresh_subject(raw))
            self.limited(count_call(request, group="refresh", account=account))
            _, issued = tokens.rotate(raw)
        except tokens.TokenRefused:
            detail = "This refresh token is not valid, or not any more."
            raise login.refused(detail, code="invalid_token") from None
        return Response(printed(issued))


class LogoutView(OpenView):
    """Revoke a refresh token."""

    examples: ClassVar[Mapping[str, Any]] = {"POST": REFRESH}

    @extend_schema(
        operation_id="users_logout",
        tags=["Login"],
        summary="Revoke a refresh token",
        description=(
            "Those that have followed it are revoked as well. The access token runs out by "
            "itself. A token that is no good is no error."
        ),
        request=RefreshIn,
        responses={204: None},
        examples=[OpenApiExample("A refresh token", value=REFRESH, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Revoke the token."""
        tokens.revoke(self.body(request, RefreshIn)["refresh"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class PasswordResetView(OpenView):
    """Send a mail with a link to set a new password."""

    examples: ClassVar[Mapping[str, Any]] = {"POST": RESET}

    @extend_schema(
        operation_id="users_password_reset",
        tags=["Login"],
        summary="Ask for a new password",
        description="The answer is the same whether there is such an account or not.",
        request=ResetIn,
        responses={202: None},
        examples=[OpenApiExample("An address", value=RESET, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Send the link if there is an account."""
        self.limited(count_call(request, group="reset"))
        email = self.body(request, ResetIn)["email"]
        self.limited(count_call(request, group="reset", account=address_key(email)))
        password_resets.request(email)
        return Response(status=status.HTTP_202_ACCEPTED)


class PasswordResetConfirmView(OpenView):
    """Set a new password."""

    examples: ClassVar[Mapping[str, Any]] = {"POST": RESET_CONFIRM}
    problems: ClassVar[Mapping[str, tuple[int, ...]]] = {"POST": (503,)}

    @extend_schema(
        operation_id="users_password_reset_confirm",
        tags=["Login"],
        summary="Set a new password",
        description="The link works once. Every session of the user ends.",
        request=ResetConfirmIn,
        responses={204: None},
        examples=[OpenApiExample("A new password", value=RESET_CONFIRM, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Set the password."""
        self.limited(count_call(request, group="reset"))
        given = self.body(request, ResetConfirmIn)
        password_resets.confirm(token=given["token"], password=given["password"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class EmailConfirmView(OpenView):
    """Confirm an e-mail address."""

    examples: ClassVar[Mapping[str, Any]] = {"POST": CONFIRM}
    problems: ClassVar[Mapping[str, tuple[int, ...]]] = {"POST": (409,)}

    @extend_schema(
        operation_id="users_email_confirm",
        tags=["Login"],
        summary="Confirm an e-mail address",
        request=ConfirmIn,
        responses={204: None},
        examples=[OpenApiExample("The token of the link", value=CONFIRM, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Confirm the address."""
        self.limited(count_call(request, group="confirmation"))
        confirmations.confirm(self.body(request, ConfirmIn)["token"])
        return Response(status=status.HTTP_204_NO_CONTENT)
