"""Which addresses a webhook may be sent to.

Whoever registers an endpoint makes this service call an address of their choice. A call into the
service's own network would reach what no client application may reach, such as the cloud's metadata
server. So every address that a name has is judged, at the moment of each connection, and the
connection goes to a judged address: the name may have other addresses a moment later.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

import idna
from django.conf import settings

from apps.webhooks.models.endpoint import URL_MAX_LENGTH

Address = IPv4Address | IPv6Address

# Public by their number, but only reachable inside of a cloud: Azure's metadata server.
CLOUD_INTERNAL = frozenset({ipaddress.ip_address("168.63.129.16")})
# IPv6 addresses that stand for an IPv4 address, with the place of its bits (RFC 6052, 3056, 4380).
NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
DEPRECATED_COMPATIBLE = IPv6Network("::/96")
SITE_LOCAL = IPv6Network("fec0::/10")
# Not global by RFC 6890 and its successors, though some releases of Python call them so.
NEVER_GLOBAL = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("240.0.0.0/4"),
)
# What the document says of a URL, in the syntax that JavaScript and Python share: a scheme, a host
# with a port, and the rest, without user name, fragment, blanks and letters that are not ASCII.
DESCRIBED_URL = r"""^[Hh][Tt][Tt][Pp][Ss]?://[!"$-.0->A-\[\]-~]+([/?][!"$-\[\]-~]*)?$"""
ODD_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
# Names that stand for this machine or for its network, by RFC 6761 and 8375 and by custom.
LOCAL_NAMES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home.arpa",
    "corp",
    "home",
)


@dataclass(frozen=True, kw_only=True)
class FoundAddress:
    """An address that a name has: IP address, address family, protocol number."""

    address: str
    family: int
    protocol: int


class RefusedUrlError(ValueError):
    """The address is none that events may be sent to.

    Attributes:
        code: The machine-readable reason.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def allowed(address: str) -> bool:
    """Return whether a connection to an IP address may be made."""
    if settings.WEBHOOK_ALLOW_PRIVATE:
        return True
    try:
        # The zone of an IPv6 address is not part of what is judged.
        return is_public(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False


def is_public(address: Address) -> bool:
    """Return whether an IP address, and the one in it, belong to the public internet."""
    if address in CLOUD_INTERNAL or address.is_multicast or not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NEVER_GLOBAL)
    if address in SITE_LOCAL or address in DEPRECATED_COMPATIBLE:
        return False
    return all(is_public(inner) for inner in _inner(address))


def _inner(address: IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address stands for."""
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in NAT64):
        found.append(IPv4Address(address.packed[-4:]))
    return [inner for inner in found if inner is not None]


def checked_url(url: str) -> str:
    """Return a URL as it is stored, without asking for the addresses of its name.

    Raises:
        RefusedUrlError: It is no URL that events may be sent to.
    """
    if len(url) > URL_MAX_LENGTH or not url.isascii() or any(mark <= " " for mark in url):
        raise RefusedUrlError(
            "invalid_url",
            f"Expected a URL of at most {URL_MAX_LENGTH} ASCII characters without blanks. "
            "Write a name in other letters in its ASCII form (xn--...).",
        )
    parts = _split(url)
    schemes = ("https", "http") if settings.WEBHOOK_ALLOW_PRIVATE else ("https",)
    if parts.scheme not in schemes:
        raise RefusedUrlError("https_needed", "Expected a URL that begins with https://.")
    if parts.username is not None or parts.password is not None:
        raise RefusedUrlError("invalid_url", "A URL may not have a user name or password in it.")
    if "#" in url:
        raise RefusedUrlError("invalid_url", "A URL may not have a fragment (#) in it.")
    refuse_private_host(parts.hostname or "")
    return url


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if not parts.hostname or "\\" in url or parts.port == 0:
            raise RefusedUrlError("invalid_url", "Expected a URL such as https://example.com/hook.")
        _check_name(parts.hostname)
    except ValueError as error:
        if isinstance(error, RefusedUrlError):
            raise
        raise RefusedUrlError("invalid_url", "This is no valid URL.") from error
    return parts


def _check_name(host: str) -> None:
    if is_literal(host):
        return
    try:
        idna.encode(host, uts46=True)
    except idna.IDNAError as error:
        raise RefusedUrlError("invalid_url", "The host of the URL is no valid name.") from error


def look_up(host: str, port: int) -> list[FoundAddress]:
    """Return the addresses that a name has now.

    Raises:
        OSError: There is none.
        UnicodeError: It is no name.
    """
    return [
        FoundAddress(address=str(place[0]), family=family, protocol=protocol)
        for family, _, protocol, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ]


def _ends_in_a_number(name: str) -> bool:
    """Return whether programs may take a host for an odd IPv4 address, such as 127.1 or 0x7f.1.

    The WHATWG's standard of URLs decides by the last label. No top-level domain is a number.
    """
    return ODD_NUMBER.fullmatch(name.rpartition(".")[2]) is not None


def is_literal(host: str) -> bool:
    """Return whether a host is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def refuse_private_host(host: str) -> None:
    """Refuse IP addresses that may not be called, and names of this machine and its network.

    Raises:
        RefusedUrlError: The host may not be called.
    """
    if settings.WEBHOOK_ALLOW_PRIVATE:
        return
    name = host.rstrip(".").lower()
    is_local = any(name == local or name.endswith(f".{local}") for local in LOCAL_NAMES)
    if is_literal(host):
        refused = not allowed(host)
    else:
        refused = is_local or "." not in name or _ends_in_a_number(name)
    if refused:
        raise RefusedUrlError(
            "address_not_allowed",
            "Events are only sent to addresses of the public internet.",
        )
