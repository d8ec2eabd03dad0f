"""Read the public keys that verify what a provider signs."""

import base64
import re

# RFC 7468: the lines around a key.
PEM_LINES = re.compile(r"-----(?:BEGIN|END) PUBLIC KEY-----")


def parse_public_keys(given: str) -> list[str]:
    """Return keys on the curve P-256 as base64 of their DER form.

    Args:
        given: Keys in that form with commas between them, or PEM blocks.

    Raises:
        ValueError: One of them is not such a key.
    """
    parts = PEM_LINES.sub(",", given).split(",")
    keys = ["".join(part.split()) for part in parts if part.strip()]
    if not all(map(_is_p256_key, keys)):
        message = (
            "must be the verification key as SendGrid shows it, or several of them with commas: "
            "base64 of a public key on the curve P-256."
        )
        raise ValueError(message)
    return keys


def _is_p256_key(text: str) -> bool:
    # Loaded only where a key is set: it takes 20 ms.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return False
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
