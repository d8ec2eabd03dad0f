"""Verify that a delivery of events was signed by SendGrid, and lately.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import binascii
from collections.abc import Iterable
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from apps.common.rest.problems import Problem

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"
# A signature of this curve has at most 72 bytes, 96 characters in base64.
SIGNATURE_MAX_CHARACTERS = 128
TIMESTAMP_MAX_DIGITS = 12
CHALLENGE = {"WWW-Authenticate": f'Signature header="{SIGNATURE_HEADER}"'}


def verify(
    body: bytes,
    *,
    signature: str,
    timestamp: str,
    keys: Iterable[str],
    now: float,
    tolerance_seconds: int,
) -> None:
    """Verify a delivery: ECDSA on P-256 with SHA-256, over the timestamp and the body as it came.

    SendGrid repeats a delivery for a day, with the first timestamp. A delivery that is replayed
    within that time changes nothing, because each event is taken once.

    Args:
        body: The body, unchanged.
        signature: The value of ``SIGNATURE_HEADER``.
        timestamp: The value of ``TIMESTAMP_HEADER``, Unix seconds.
        keys: The public keys, any of which may have signed: base64 of their DER form.
        now: The current time in Unix seconds.
        tolerance_seconds: How old a delivery may be, or how far ahead SendGrid's clock.

    Raises:
        Problem: 401 for a signature that is missing, wrong or too old.
    """
    signed = timestamp.encode("latin-1", "replace") + body
    given = _decoded(signature)
    if given is None or not any(_is_signed_by(key, given, signed) for key in keys):
        detail = f"The header {SIGNATURE_HEADER} is not the signature of this body."
        raise Problem(401, detail, code="invalid_signature", headers=CHALLENGE)
    # A signed timestamp is SendGrid's own.
    digits = timestamp.isascii() and timestamp.isdecimal()
    is_time = digits and len(timestamp) <= TIMESTAMP_MAX_DIGITS
    if not is_time or abs(now - int(timestamp)) > tolerance_seconds:
        detail = f"The delivery was not signed within the last {tolerance_seconds} seconds."
        raise Problem(401, detail, code="old_signature", headers=CHALLENGE)


def _decoded(signature: str) -> bytes | None:
    if not 0 < len(signature) <= SIGNATURE_MAX_CHARACTERS:
        return None
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_signed_by(key: str, signature: bytes, signed: bytes) -> bool:
    try:
        _loaded(key).verify(signature, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=16)
def _loaded(key: str) -> ec.EllipticCurvePublicKey:
    loaded = load_der_public_key(base64.b64decode(key))
    # The settings have refused any other kind of key.
    assert isinstance(loaded, ec.EllipticCurvePublicKey)
    return loaded
