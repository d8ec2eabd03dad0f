"""E-mail addresses: validation, and a key that is the same for all spellings of a mailbox."""

import hashlib

import email_validator
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

MAX_LENGTH = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets.

# The library's documented way to allow reserved names (RFC 6761), such as localhost and .local.
# Tests and closed networks use them.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def _parse(address: str) -> ValidatedEmail:
    # A non-ASCII local part needs SMTPUTF8 at every hop, which providers do not guarantee.
    return validate_email(
        address,
        check_deliverability=False,
        globally_deliverable=False,
        test_environment=True,
        allow_smtputf8=False,
        strict=True,
    )


def problem_with(address: str) -> str | None:
    """Return a sentence that describes the syntax error; None for a valid address."""
    try:
        _parse(address)
    except EmailNotValidError as error:
        return str(error)
    return None


def address_key(address: str) -> str:
    """Return the key of a mailbox, the same for all spellings: lower case, the domain in ASCII.

    Any text is accepted, so that a look-up with a malformed address finds nothing instead of
    failing.
    """
    return deliverable(address).lower()


def address_hash(address: str) -> str:
    """Return the SHA-256 of the key, to recognize an address without storing it."""
    return hashlib.sha256(address_key(address).encode("utf-8", "surrogatepass")).hexdigest()


def deliverable(address: str) -> str:
    """Return the address as it is sent to the provider: an international domain is IDNA-encoded."""
    address = address.strip()
    if address.isascii():
        return address
    try:
        parsed = _parse(address)
    except EmailNotValidError:
        return address
    return f"{address.rpartition('@')[0]}@{parsed.ascii_domain}"
