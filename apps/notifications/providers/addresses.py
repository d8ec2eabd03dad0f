"""E-mail addresses in the form that SMTP and provider APIs accept."""

import re
from email.utils import parseaddr

import idna

# Characters that would end a header, an SMTP command or the brackets around an address.
UNSAFE = re.compile(r"[\x00-\x20\x7f<>\x80-\x9f\u2028\u2029]")


class BadAddressError(ValueError):
    """The text is not an address that can be used in a mail."""


def wire_address(address: str) -> str:
    """Return the address with its domain in ASCII (IDNA 2008, RFC 5891).

    The local part is unchanged. If it is not ASCII, the mail needs SMTPUTF8 (RFC 6531).

    Raises:
        BadAddressError: It has no local part or domain, contains spaces, control characters or
            angle brackets, or its domain has no ASCII form.
    """
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or UNSAFE.search(address):
        raise BadAddressError("This is not an address.")
    try:
        local.encode("utf-8")
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise BadAddressError("The domain of this address has no ASCII form.") from None
    return f"{local}@{ascii_domain}"


def name_and_address(sender: str) -> tuple[str, str]:
    """Split ``Name <address>`` into name and address. The name may be empty.

    Raises:
        BadAddressError: As for ``wire_address``.
    """
    name, address = parseaddr(sender)
    return name, wire_address(address)
