"""E-mail addresses: validation, and a key that is the same for all spellings of a mailbox."""

import hashlib
import re
import unicodedata

import email_validator
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

MAX_LENGTH = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets.

# The library's documented way to allow reserved names (RFC 6761), such as localhost and .local.
# Tests and closed networks use them.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


# RFC 5321 allows these local parts in quotation marks only, but some mailboxes have them:
# docomo.ne.jp has given out "jane." and "a..b" for years.
WITH_ODD_DOTS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")


def _parse(address: str) -> ValidatedEmail:
    local, _, domain = address.rpartition("@")
    odd = WITH_ODD_DOTS.fullmatch(local) and local.strip(".")
    return validate_email(
        # The domain is checked all the same.
        f"x@{domain}" if odd else address,
        check_deliverability=False,
        globally_deliverable=False,
        test_environment=True,
        # A provider that takes no such address refuses the mail with a clear reason.
        allow_smtputf8=True,
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
    key = deliverable(address)
    return key.lower() if key.isascii() else unicodedata.normalize("NFC", key).lower()


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
