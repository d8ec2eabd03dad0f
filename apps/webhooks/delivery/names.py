"""Look names up, and judge what they lead to."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from apps.webhooks import addresses

# Looking a name up blocks a thread for as long as its server takes. With few threads, one name
# whose server hangs would hold up all others.
LOOKUP_THREADS = 64

# Family, type, protocol, canonical name and address of a connection to make.
_AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]


class AddressNotAllowedError(OSError):
    """A name has an address that no call is made to."""


class NameNotResolvedError(OSError):
    """A name has no address now."""


def judged_socket(info: _AddressInfo) -> socket.socket:
    """Make the socket of a connection, if its address may be called.

    This is the last judgement before any packet. It also judges what the HTTP library takes for an
    IP address, and for which it asks no resolver.

    Raises:
        AddressNotAllowedError: It may not be called.
    """
    family, kind, protocol, _, place = info
    if not addresses.allowed(str(place[0])):
        raise AddressNotAllowedError(str(place[0]))
    return socket.socket(family=family, type=kind, proto=protocol)


class JudgingResolver(AbstractResolver):
    """Looks names up, and gives an address on only if all addresses of the name may be called.

    The connection is made to what this returns, so that a name cannot have another address between
    the judgement and the connection. The name itself stays for TLS and for the ``Host`` header.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="webhook-lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            AddressNotAllowedError: One of them is none that may be called.
            NameNotResolvedError: There is none.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, addresses.look_up, host, port)
        except (OSError, UnicodeError) as error:
            raise NameNotResolvedError(host) from error
        if not all(addresses.allowed(each.address) for each in found):
            raise AddressNotAllowedError(host)
        return [
            ResolveResult(
                hostname=host,
                host=each.address,
                port=port,
                family=each.family,
                proto=each.protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for each in found
        ]

    async def close(self) -> None:
        """End the threads, without waiting for names that are being looked up."""
        self._threads.shutdown(wait=False, cancel_futures=True)
