"""Sign tokens with the secret key, and verify them with older keys too.

The JWT library supports one key only. Django's own signatures (sessions, links) support
``SECRET_KEY_FALLBACKS`` already.
"""

from functools import lru_cache
from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import api_settings

# Cache size; more than the number of keys that an installation has at a time.
KEYS_CACHED = 16


class RotatingBackend(TokenBackend):
    """Sign with ``SECRET_KEY``; also accept signatures of ``SECRET_KEY_FALLBACKS``."""

    def encode(self, payload: dict[str, Any]) -> str:
        """Return a signed token."""
        return str(_with_key(settings.SECRET_KEY).encode(payload))

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - the library's signature.
        """Return the claims of a token.

        Raises:
            TokenBackendError: No key matches the signature, or the token has expired.
        """
        refusal: TokenBackendError | None = None
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            try:
                return dict(_with_key(key).decode(token, verify=verify))
            except TokenBackendError as error:
                refusal = refusal or error
        assert refusal is not None
        raise refusal


@lru_cache(maxsize=KEYS_CACHED)
def _with_key(key: str) -> Any:
    return TokenBackend(api_settings.ALGORITHM, key)


rotating_backend = RotatingBackend(api_settings.ALGORITHM)
