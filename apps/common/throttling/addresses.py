"""Whose call it is: the address of the caller, seen through the proxies that are trusted."""

import ipaddress
import re
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - a name for "no address"; nothing listens on it.

# What a proxy adds to a request that it passes on; ``X-Forwarded-`` may be followed by anything.
FORWARDING_HEADERS = ("HTTP_X_FORWARDED", "HTTP_X_REAL_IP", "HTTP_FORWARDED")
# RFC 7239, 4: the address is a token, or quoted where it has a colon.
FORWARDED_FOR = re.compile(r'(?:^|[;,])\s*for\s*=\s*"?([^;,"]*)', re.IGNORECASE)

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


def is_on_loopback(request: HttpRequest) -> bool:
    """Tell whether the caller is on this machine.

    Behind a proxy on the same machine every call comes from loopback. So one that any proxy has
    passed on counts only where that proxy is one of ``settings.TRUSTED_PROXIES``, and whatever
    it says about the way of the call names loopback or such proxies, with loopback at its begin.
    """
    sender = _parse_address(request.META.get("REMOTE_ADDR", ""))
    if sender is None:
        return False
    if not any(name.startswith(FORWARDING_HEADERS) for name in request.META):
        return sender.is_loopback
    trusted = _trusted_networks(tuple(settings.TRUSTED_PROXIES))
    if not any(sender in network for network in trusted):
        return False
    hops = [_parse_address(hop) for hop in _hops_named(request)]
    begin = hops[0]
    return (begin is not None and begin.is_loopback) and all(
        hop is not None and (hop.is_loopback or any(hop in network for network in trusted))
        for hop in hops
    )


def _hops_named(request: HttpRequest) -> list[str]:
    """Return every address that a forwarding header names; the first is the caller's."""
    hops: list[str] = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if "HTTP_X_REAL_IP" in request.META:
        hops.append(request.META["HTTP_X_REAL_IP"])
    if "HTTP_FORWARDED" in request.META:
        # A header without a name of the caller names somebody unknown.
        hops += FORWARDED_FOR.findall(request.META["HTTP_FORWARDED"]) or [""]
    return hops
