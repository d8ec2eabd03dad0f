"""One call to an endpoint.

Redirects, proxies, cookies and compression are off: the call goes to a judged address of the name
in the URL and nowhere else. An answer is read for 1 kB and for 2 s, and its status decides.
"""

import asyncio
import ssl
import time
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
from django.utils import timezone

from apps.webhooks import addresses
from apps.webhooks.addresses import RefusedUrlError
from apps.webhooks.delivery.names import (
    AddressNotAllowedError,
    JudgingResolver,
    NameNotResolvedError,
    judged_socket,
)
from apps.webhooks.schedule import Answer, CallError

TIMEOUT_SECONDS = 15.0
CONNECT_SECONDS = 5.0
EXCERPT_BYTES = 1024
# The rest of an answer is not awaited for longer: an endpoint may drip, or never end.
BODY_SECONDS = 2.0
HEADER_BYTES_MAX = 16 * 1024
KEPT_SECONDS = 15.0
USER_AGENT = "distributed-notification-system-webhooks/1"


class Wire:
    """The connections of one process. Made and used in one event loop.

    Args:
        tls: Verifies certificates and names; by default with the certificates of the system.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=JudgingResolver(),
                socket_factory=judged_socket,
                ssl=tls or ssl.create_default_context(),
                use_dns_cache=False,
                limit=0,
                keepalive_timeout=KEPT_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, sock_connect=CONNECT_SECONDS),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
        )

    async def post(self, url: str, *, body: bytes, headers: dict[str, str]) -> Answer:
        """Call an endpoint once.

        Args:
            url: An address as ``addresses.checked_url`` returns it. Its host is judged again.
            body: The body, as it was signed.
            headers: The headers of the signature.

        Returns:
            What came of it; every error of the call is an answer with its code.
        """
        began = time.perf_counter()

        def answer(**found: object) -> Answer:
            spent = round((time.perf_counter() - began) * 1000)
            return Answer(duration_ms=spent, **found)  # type: ignore[arg-type]

        try:
            addresses.refuse_private_host(urlsplit(url).hostname or "")
            async with self._session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json", **headers},
                allow_redirects=False,
            ) as response:
                excerpt = await _excerpt(response)
                return answer(
                    status_code=response.status,
                    excerpt=excerpt,
                    retry_after=_retry_after(response),
                )
        except (RefusedUrlError, TimeoutError, OSError, aiohttp.ClientError, ValueError) as error:
            return answer(error=error_of(error))

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


async def _excerpt(response: aiohttp.ClientResponse) -> str:
    """Return the beginning of the body. A longer one ends the connection."""
    read = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(read) <= EXCERPT_BYTES and not response.content.at_eof():
                read += await response.content.read(EXCERPT_BYTES + 1 - len(read))
                if len(read) > EXCERPT_BYTES:
                    break
    except (TimeoutError, OSError, aiohttp.ClientError):
        response.close()
    if not response.content.at_eof():
        response.close()
    # PostgreSQL stores no NUL. A character that was cut is left out.
    text = read.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode()[:EXCERPT_BYTES].decode(errors="ignore")


def _retry_after(response: aiohttp.ClientResponse) -> timedelta | None:
    """Return how long the answer asks to wait: seconds, or a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if response.status < HTTPStatus.MULTIPLE_CHOICES or not text:
        return None
    try:
        if text.isascii() and text.isdecimal():
            return timedelta(seconds=int(text))
        return max(parsedate_to_datetime(text) - timezone.now(), timedelta(0))
    except (ValueError, OverflowError, TypeError):
        return None


# The first that fits a link in the chain of causes.
ERRORS: tuple[tuple[type[BaseException], CallError], ...] = (
    (AddressNotAllowedError, CallError.ADDRESS_NOT_ALLOWED),
    (RefusedUrlError, CallError.ADDRESS_NOT_ALLOWED),
    (NameNotResolvedError, CallError.NAME_NOT_RESOLVED),
    (TimeoutError, CallError.TIMEOUT),
    (ssl.SSLError, CallError.TLS),
    (aiohttp.ClientSSLError, CallError.TLS),
    (aiohttp.ClientResponseError, CallError.PROTOCOL),
    (aiohttp.InvalidURL, CallError.PROTOCOL),
)


def error_of(error: BaseException) -> CallError:
    """Return the code of what ended a call, from the error or from its causes."""
    link: BaseException | None = error
    while link is not None:
        for kind, code in ERRORS:
            if isinstance(link, kind):
                return code
        # The library keeps the error of a connection here, and as the cause.
        link = getattr(link, "os_error", None) or link.__cause__
    return CallError.CONNECTION
