"""E-mail addresses: what is accepted, and when two spellings are the same mailbox."""

import hashlib

import email_validator
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

MAX_LENGTH = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets.

# The library's own way to allow reserved names (RFC 6761), such as localhost and .local: they
# are what rehearsals and closed networks are addressed with.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def _parse(address: str) -> ValidatedEmail:
    # A local part outside ASCII needs SMTPUTF8 at every hop, which providers do not promise.
    return validate_email(
        address,
        check_deliverability=False,
        globally_deliverable=False,
        test_environment=True,
        allow_smtputf8=False,
        strict=True,
    )


def problem_with(address: str) -> str | None:
    """Return a sentence about what is wrong with the syntax; None for a good address."""
    try:
        _parse(address)
    except EmailNotValidError as error:
        return str(error)
    return None


def address_key(address: str) -> str:
    """Return what two spellings of one mailbox have in common: lower case, the domain in ASCII.

    Takes anything, so that a look-up with a malformed address finds nothing instead of failing.
    """
    return deliverable(address).lower()


def address_hash(address: str) -> str:
    """Return the SHA-256 of the key, which tells an address again without holding it."""
    return hashlib.sha256(address_key(address).encode("utf-8", "surrogatepass")).hexdigest()


def deliverable(address: str) -> str:
    """Return the address as it goes to the wire: as entered, an international domain in IDNA."""
    address = address.strip()
    if address.isascii():
        return address
    try:
        parsed = _parse(address)
    except EmailNotValidError:
        return address
    return f"{address.rpartition('@')[0]}@{parsed.ascii_domain}"
