"""urllib3 connections that keep to the call's deadline and say whether a body was sent whole.

For a message only one thing matters when a call breaks: whether the other side can have it. So an
error of these connections that is an ``UnansweredError`` means that it can, and every other that
it cannot. urllib3's own classes leave that open: a TLS handshake that stalls is a read timeout.
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
    """The body was not sent whole, so the other side has no message."""


class UnansweredError(ProtocolError):
    """The body was sent whole, and no whole answer came."""


class _Bounded(urllib3.connection.HTTPConnection):
    """What both kinds of connections share."""

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
        """Connect, through a proxy's tunnel and with TLS where they are wanted."""
        with deadline(HTTP_CONNECT_SECONDS):
            try:
                super().connect()
            except ssl.SSLError:
                raise  # What is wrong with a certificate has to stay readable.
            except TimeoutError as error:
                raise ConnectTimeoutError(self, str(error)) from error
            except (OSError, http.client.HTTPException) as error:
                raise NewConnectionError(self, str(error)) from error

    def request(self, *given: Any, **named: Any) -> None:
        """Send a request, its body included."""
        self._cut = None
        try:
            super().request(*given, **named)
        except (BrokenPipeError, ConnectionResetError) as error:
            # urllib3 passes over this: a server may answer before it has read all, and close.
            self._cut = error
            raise
        except ssl.SSLError:
            raise
        except OSError as error:
            raise NotHandedOverError("The request was not sent whole.", error) from error

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # As urllib3's own.
        """Read the answer, with its body where urllib3 was asked to read it at once."""
        try:
            return super().getresponse()
        except (OSError, http.client.HTTPException, HTTPError) as error:
            if self._cut is not None:
                raise NotHandedOverError("The request was not sent whole.", self._cut) from error
            raise UnansweredError("There was no whole answer.", error) from error


class BoundedHttpConnection(_Bounded):
    """A plain one."""


class BoundedHttpsConnection(_Bounded, urllib3.connection.HTTPSConnection):
    """One with TLS, to the server and where it is wanted to the proxy."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        given_files = self.ca_certs or self.ca_cert_dir or self.ca_cert_data
        if self.ssl_context is None:
            # Files that were given are loaded by urllib3 when it connects, others are not.
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
        """Make the context that urllib3 makes where it is given none, for bounded sockets."""
        return bound_tls(create_urllib3_context(cert_reqs=resolve_cert_reqs(self.cert_reqs)))


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = BoundedHttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = BoundedHttpsConnection


def bound_pools(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """Let a pool manager, also one of a proxy, make such connections, and return it."""
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager


class BoundedAdapter(requests.adapters.HTTPAdapter):
    """The same for requests, with the proxies and certificates that it finds."""

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        """As the base."""
        super().init_poolmanager(*given, **named)
        bound_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        """As the base. A SOCKS proxy keeps its own connections, which know no deadline."""
        manager = super().proxy_manager_for(proxy, **named)
        if type(manager) is urllib3.ProxyManager:
            bound_pools(manager)
        return manager


def wire_failure(error: HTTPError) -> tuple[Outcome, str]:
    """Tell from what was raised whether the other side had the whole body.

    Returns:
        The outcome, and the word for it.
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
