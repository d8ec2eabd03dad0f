"""urllib3 connections that respect the call's deadline and report whether a body was fully sent.

When a call fails, only one fact matters for the message: whether the server can have received it.
With these connections, an ``UnansweredError`` means that it can, and every other error means that
it cannot. urllib3's own classes do not distinguish this: a stalled TLS handshake is a read timeout.
"""

import http.client
import socket
import ssl
from typing import Any

import requests
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
)
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.deadline import bound_tls, connect, deadline
from apps.notifications.providers.time_limits import HTTP_CONNECT_SECONDS


class NotHandedOverError(ProtocolError):
    """The body was not fully sent, so the server does not have the message."""


class UnansweredError(ProtocolError):
    """The body was fully sent, but no complete response was received."""


class _Bounded(urllib3.connection.HTTPConnection):
    """The common part of HTTP and HTTPS connections."""

    _cut: OSError | None = None

    def _new_conn(self) -> socket.socket:
        options = [option for option in self.socket_options or () if len(option) == 3]  # noqa: PLR2004
        try:
            return connect(self._dns_host, self.port, options=options)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, str(error)) from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def connect(self) -> None:
        """Connect, with a proxy tunnel and TLS if they are configured."""
        with deadline(HTTP_CONNECT_SECONDS):
            try:
                super().connect()
            except ssl.SSLError:
                raise  # Certificate errors are recognised by their text, so it must be kept.
            except TimeoutError as error:
                raise ConnectTimeoutError(self, str(error)) from error
            except (OSError, http.client.HTTPException) as error:
                raise NewConnectionError(self, str(error)) from error

    def request(self, *given: Any, **named: Any) -> None:
        """Send a request with its body."""
        self._cut = None
        try:
            super().request(*given, **named)
        except (BrokenPipeError, ConnectionResetError) as error:
            # urllib3 ignores this error and reads the response, because a server may respond and
            # close the connection before it has read the whole request.
            self._cut = error
            raise
        except ssl.SSLError:
            raise
        except OSError as error:
            raise NotHandedOverError("The request was not sent whole.", error) from error

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # As urllib3's own.
        """Read the response, with its body if urllib3 was asked to preload it."""
        try:
            return super().getresponse()
        except (OSError, http.client.HTTPException, HTTPError) as error:
            if self._cut is not None:
                raise NotHandedOverError("The request was not sent whole.", self._cut) from error
            raise UnansweredError("There was no whole answer.", error) from error


class BoundedHttpConnection(_Bounded):
    """An HTTP connection without TLS."""


class BoundedHttpsConnection(_Bounded, urllib3.connection.HTTPSConnection):
    """An HTTPS connection, with TLS to the server and, if configured, to the proxy."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        given_files = self.ca_certs or self.ca_cert_dir or self.ca_cert_data
        if self.ssl_context is None:
            # urllib3 loads explicitly given certificate files on connect, but not the defaults.
            self.ssl_context = self._context()
            if not given_files:
                self.ssl_context.load_default_certs()
        if self.proxy_config is not None and self.proxy_config.ssl_context is None:
            context = self._context()
            if given_files:
                context.load_verify_locations(self.ca_certs, self.ca_cert_dir, self.ca_cert_data)
            else:
                context.load_default_certs()
            self.proxy_config = self.proxy_config._replace(ssl_context=context)

    def _context(self) -> ssl.SSLContext:
        """Create the context that urllib3 creates by default, but with bounded sockets."""
        return bound_tls(create_urllib3_context(cert_reqs=resolve_cert_reqs(self.cert_reqs)))


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = BoundedHttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = BoundedHttpsConnection


def bound_pools(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """Make a pool manager (or proxy manager) use bounded connections, and return it."""
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager


def pool_manager(url: str, *, connections: int) -> urllib3.PoolManager:
    """Return the bounded connections for calls to a server.

    Proxies and certificates are read from the environment like requests does (``HTTPS_PROXY``,
    ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``), but once and not for each call.

    Args:
        url: The base URL of the server, which decides about the proxy.
        connections: The maximum number of kept connections.

    Raises:
        ValueError: The URL of the proxy is invalid.
    """
    with requests.Session() as session:
        found = session.merge_environment_settings(url, {}, None, None, None)
    named: dict[str, Any] = {"maxsize": connections, "num_pools": 2}
    if isinstance(found["verify"], str):
        named["ca_certs"] = found["verify"]
    proxy = requests.utils.select_proxy(url, found["proxies"])
    if proxy is None:
        return bound_pools(urllib3.PoolManager(**named))
    headers = requests.adapters.HTTPAdapter().proxy_headers(proxy)
    return bound_pools(urllib3.ProxyManager(proxy, proxy_headers=headers, **named))


class BoundedAdapter(requests.adapters.HTTPAdapter):
    """A requests adapter with bounded connections, also through proxies."""

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        """Create the pool manager like the base class, with bounded connections."""
        super().init_poolmanager(*given, **named)
        bound_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        """Create the proxy manager like the base class, with bounded connections.

        The connections of a SOCKS proxy are unchanged and do not respect the deadline.
        """
        manager = super().proxy_manager_for(proxy, **named)
        if type(manager) is urllib3.ProxyManager:
            bound_pools(manager)
        return manager


def wire_failure(error: HTTPError) -> tuple[Outcome, str]:
    """Derive the outcome of a failed call from its error.

    The outcome is ``UNKNOWN`` only if the server may have received the whole body.

    Returns:
        The outcome and its reason.
    """
    match error:
        case UnansweredError():
            return Outcome.UNKNOWN, "connection"
        case _ if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Outcome.CONFIGURATION, "certificate"
        case LocationValueError():
            return Outcome.CONFIGURATION, "settings"
        case _:
            return Outcome.TRANSIENT, "connection"
