"""Tokens are signed with the secret key, and verified with the older keys as well.

The library knows one key; Django's own signatures (sessions, links) know
``SECRET_KEY_FALLBACKS`` by themselves.
"""

from functools import lru_cache
from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import api_settings

# More than an installation has keys at a time.
KEYS_REMEMBERED = 16


class RotatingBackend(TokenBackend):
    """Signs with ``SECRET_KEY``; takes what it or one of ``SECRET_KEY_FALLBACKS`` has signed."""

    def encode(self, payload: dict[str, Any]) -> str:
        """Write a signed token."""
        return str(_with_key(settings.SECRET_KEY).encode(payload))

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - the library's.
        """Return the claims of a token.

        Raises:
            TokenBackendError: No key fits, or it has expired.
        """
        refusal: TokenBackendError | None = None
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            try:
                return dict(_with_key(key).decode(token, verify=verify))
            except TokenBackendError as error:
                refusal = refusal or error
        assert refusal is not None
        raise refusal


@lru_cache(maxsize=KEYS_REMEMBERED)
def _with_key(key: str) -> Any:
    return TokenBackend(api_settings.ALGORITHM, key)


rotating_backend = RotatingBackend(api_settings.ALGORITHM)
