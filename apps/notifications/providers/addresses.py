"""E-mail addresses in the form that SMTP and provider APIs accept."""

import re
from email.utils import getaddresses

import idna

# Characters that would end a header, an SMTP command or the brackets around an address.
UNSAFE = re.compile(r"[\x00-\x20\x7f<>\x80-\x9f\u2028\u2029]")
# RFC 5322, 3.2.3. A name with one of these needs quotation marks.
SPECIALS = re.compile(r'[()<>\[\]:;@\\,."]')


class BadAddressError(ValueError):
    """The text is not an address that can be used in a mail."""


class BadSenderError(BadAddressError):
    """The sender's address is wrong, which no mail of this installation can have caused."""


def wire_address(address: str) -> str:
    """Return the address with its domain in ASCII (IDNA 2008, RFC 5891).

    The local part is unchanged, except that one with a dot in an unusual place is quoted. If it is
    not ASCII, the mail needs SMTPUTF8 (RFC 6531).

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
    return f"{_quoted_local(local)}@{ascii_domain}"


def _quoted_local(local: str) -> str:
    """Put a local part into quotation marks if it is no dot-string (RFC 5321, 4.1.2): ``jane.``."""
    odd = ".." in local or local.startswith(".") or local.endswith(".")
    return f'"{local}"' if odd and '"' not in local else local


def quoted_name(name: str) -> str:
    """Put a name into quotation marks if RFC 5322 (3.2.3) requires it: ``Foobar, Inc.``.

    A name with letters outside of ASCII is encoded later and needs none, except for characters that
    would end an address.
    """
    if not SPECIALS.search(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def name_and_address(sender: str) -> tuple[str, str]:
    """Split ``Name <address>`` into name and address. The name may be empty.

    Raises:
        BadSenderError: The address cannot be used, or the text is not one address with a name. In
            ``Foobar, Inc. <ops@example.com>`` the comma would end an address: such a name needs
            quotation marks.
    """
    found = getaddresses([sender])
    try:
        ((name, address),) = found
        return name, wire_address(address)
    except ValueError:
        raise BadSenderError("This is not one address, with or without a name.") from None
