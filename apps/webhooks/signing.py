"""Secrets and signatures as in Standard Webhooks 1.0.0 (standardwebhooks.com).

Secrets are encrypted at rest under ``SECRET_KEY``; a row that was encrypted under an older key is
read with ``SECRET_KEY_FALLBACKS``.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PREFIX = "whsec_"
SECRET_BYTES = 32
VERSION = "v1"
# Separates this use of ``SECRET_KEY`` from all others.
PURPOSE = b"webhook secrets"


class UnreadableSecretError(Exception):
    """A stored secret was encrypted under a key that is not configured any more."""


def new_secret() -> str:
    """Create a signing secret: ``whsec_`` and 32 random bytes in base64."""
    return f"{PREFIX}{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def encrypted(secret: str) -> str:
    """Encrypt a secret, to be stored."""
    return (
        _cipher(settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        .encrypt(secret.encode())
        .decode()
    )


def decrypted(stored: str) -> str:
    """Decrypt a stored secret.

    Raises:
        UnreadableSecretError: None of the configured keys fits.
    """
    cipher = _cipher(settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    try:
        return cipher.decrypt(stored.encode()).decode()
    except InvalidToken as error:
        message = "The secret of an endpoint was encrypted under another SECRET_KEY."
        raise UnreadableSecretError(message) from error


def reencrypted(stored: str) -> str | None:
    """Encrypt a stored secret anew if it was encrypted under an older key; None if it is current.

    Raises:
        UnreadableSecretError: None of the configured keys fits.
    """
    try:
        _cipher(settings.SECRET_KEY).decrypt(stored.encode())
    except InvalidToken:
        return encrypted(decrypted(stored))
    return None


def signature(*, event_id: str, timestamp: int, body: bytes, with_secrets: Iterable[str]) -> str:
    """Return the header ``webhook-signature``: one signature for each secret.

    Args:
        event_id: The header ``webhook-id``.
        timestamp: The header ``webhook-timestamp``, in Unix seconds.
        body: The body as it is sent.
        with_secrets: The secrets, the current one first.
    """
    signed = f"{event_id}.{timestamp}.".encode() + body
    return " ".join(f"{VERSION},{_hmac(secret, signed)}" for secret in with_secrets)


def _hmac(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


@cache
def _cipher(*keys: str) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(key.encode())
    return base64.urlsafe_b64encode(derived)
