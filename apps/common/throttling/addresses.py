"""The address of the caller, behind trusted proxies."""

import ipaddress
import re
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - means "no address"; nothing listens on it.

# Prefixes of the headers that proxies add to a forwarded request, such as all ``X-Forwarded-…``.
FORWARDING_HEADERS = ("HTTP_X_FORWARDED", "HTTP_X_REAL_IP", "HTTP_FORWARDED")
# RFC 7239, 4: the address is a token, or a quoted string if it has a colon.
FORWARDED_FOR = re.compile(r'(?:^|[;,])\s*for\s*=\s*"?([^;,"]*)', re.IGNORECASE)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(entries: tuple[str, ...]) -> tuple[Network, ...]:
    """Parse addresses and CIDR networks.

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

    This is ``REMOTE_ADDR``. If that is one of ``settings.TRUSTED_PROXIES``, it is the right-most
    entry of ``X-Forwarded-For`` that is not such a proxy, because the caller can forge all entries
    to the left of it.
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
    """Return whether the caller is on this machine.

    Behind a proxy on the same machine every request comes from loopback. So a forwarded request
    counts as local only if the proxy is one of ``settings.TRUSTED_PROXIES``, all addresses in its
    forwarding headers are loopback or such proxies, and the first of them is loopback.
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
    """Return all addresses in the forwarding headers; the first is the caller's."""
    hops: list[str] = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if "HTTP_X_REAL_IP" in request.META:
        hops.append(request.META["HTTP_X_REAL_IP"])
    if "HTTP_FORWARDED" in request.META:
        # A header without "for" means an unknown caller.
        hops += FORWARDED_FOR.findall(request.META["HTTP_FORWARDED"]) or [""]
    return hops
