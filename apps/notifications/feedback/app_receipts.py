"""The signed receipt that rides in every push, by which an app reports that it has arrived."""

import base64
import binascii
from dataclasses import dataclass
from uuid import UUID

from django.core import signing

# The key of the data under which it rides.
DATA_KEY = "receipt"
SALT = "notifications.app-receipt"
UUID_BYTES = 16
# 43 characters for the ids, a colon and 43 for the signature.
TOKEN_MAX_CHARACTERS = 128


@dataclass(frozen=True, kw_only=True)
class AppReceipt:
    """The push that a receipt is for: a notification on one device."""

    notification_id: UUID
    device_id: UUID


def token_for(receipt: AppReceipt) -> str:
    """Sign a receipt, in 87 characters, because a push has room for little.

    It is valid while its key is ``SECRET_KEY``, and afterwards while the key is in
    ``SECRET_KEY_FALLBACKS``.
    """
    ids = receipt.notification_id.bytes + receipt.device_id.bytes
    text = base64.urlsafe_b64encode(ids).rstrip(b"=").decode()
    return signing.Signer(salt=SALT).sign(text)


def read_token(token: str) -> AppReceipt | None:
    """Verify a receipt; None for one that we have not signed."""
    if len(token) > TOKEN_MAX_CHARACTERS:
        return None
    try:
        text = signing.Signer(salt=SALT).unsign(token)
        ids = base64.urlsafe_b64decode(f"{text}=")
    except (signing.BadSignature, binascii.Error, ValueError):
        return None
    return AppReceipt(
        notification_id=UUID(bytes=ids[:UUID_BYTES]), device_id=UUID(bytes=ids[UUID_BYTES:])
    )
