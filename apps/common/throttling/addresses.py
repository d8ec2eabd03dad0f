"""Whose call it is: the address of the caller, seen through the proxies that are trusted."""

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - a name for "no address"; nothing listens on it.

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(entries: tuple[str, ...]) -> tuple[Network, ...]:
    """Read addresses and CIDR networks.

    Raises:
        ValueError: An entry is neither; the message names it.
    """
    return tuple(ipaddress.ip_network(entry.strip(), strict=False) for entry in entries)


_trusted_networks = lru_cache(maxsize=8)(parse_networks)


def _parse_address(text: str) -> Address | None:
    text = text.strip().removeprefix("[").partition("]")[0]
    if text.count(":") == 1:  # Some proxies append the port to an IPv4 address.
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def client_address(request: HttpRequest) -> str:
    """Return the address of the caller.

    It is ``REMOTE_ADDR``; only where that is one of ``settings.TRUSTED_PROXIES`` the right-most
    entry of ``X-Forwarded-For`` that is not such a proxy, since everything to the left of it
    may be made up.
    """
    trusted = _trusted_networks(tuple(settings.TRUSTED_PROXIES))
    address = _parse_address(request.META.get("REMOTE_ADDR", ""))
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if trusted else []
    while hops and (address is None or any(address in network for network in trusted)):
        if address is None:
            break
        further = _parse_address(hops.pop())
        if further is None:
            break
        address = further
    return str(address) if address is not None else UNKNOWN_ADDRESS
