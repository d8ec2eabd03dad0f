"""The security schemes of the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from apps.users.authentication import (
    ApiKeyAuthentication,
    StaffSessionAuthentication,
    TokenAuthentication,
)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # The library's hook is untyped.
    """The two headers for an API key; either of them is sufficient."""

    target_class = ApiKeyAuthentication
    name = ["ApiKey", "ApiKeyAuthorization"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Describe the headers; first the one that takes the key as it is."""
        return [
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-API-Key",
                "description": "The key alone: `nk_live_...`.",
            },
            {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "The word `Api-Key`, a space and the key: `Api-Key nk_live_...`.",
            },
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """Require one of the two headers, not both."""
        return [{name: []} for name in self.name]


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # The library's hook is untyped.
    """The access token of a login."""

    target_class = TokenAuthentication
    name = "Bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Describe the header."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # The library's hook is untyped.
    """The session of staff."""

    target_class = StaffSessionAuthentication
    name = "StaffSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Describe the cookie."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
