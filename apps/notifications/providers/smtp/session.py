"""One SMTP session: connected, secured and authenticated.

Every wait ends at the deadline of the thread that uses it (``deadline``).
"""

import contextlib
import smtplib
import socket
import ssl
import time
from ipaddress import ip_address
from typing import Any

from django.conf import settings

from apps.notifications.providers.deadline import Resolve, bound_tls, connect, deadline
from apps.notifications.providers.smtp.replies import Stage

# Servers close idle sessions after minutes (RFC 5321 asks for five); a NOOP after a short pause
# finds out before a mail is spent on it.
IDLE_CHECK_SECONDS = 5.0
MAX_AGE_SECONDS = 240.0
# Some servers take only so many mails in a session; a new one costs little after this many.
MAX_MAILS = 500
# So much of a call may be spent on finding out that a kept session is dead. It leaves time for a
# new one.
CHECK_SECONDS = 5.0

READY = 220
OK_CODES = frozenset({250, 251, 252})


class RefusedError(Exception):
    """The server answered a command with something else than it should."""

    def __init__(self, code: int, text: bytes | str, stage: Stage) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.stage = stage


class NotConfiguredError(Exception):
    """The settings do not let us open a session as they ask for; the text says why."""


# What the network, TLS or a server that does not speak SMTP can raise.
WIRE_ERRORS = (OSError, smtplib.SMTPException, ValueError)


def timed_out(error: BaseException) -> bool:
    """Tell whether a wait ran out; smtplib wraps that into "server disconnected"."""
    return isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)


def tls_context() -> ssl.SSLContext:
    """Make a context that verifies certificates and names, with SMTP_CA_FILE trusted as well.

    Raises:
        NotConfiguredError: The file cannot be read.
    """
    context = bound_tls(ssl.create_default_context())
    if settings.SMTP_CA_FILE:
        try:
            context.load_verify_locations(cafile=settings.SMTP_CA_FILE)
        except OSError as error:
            message = f"SMTP_CA_FILE cannot be read: {error}"
            raise NotConfiguredError(message) from error
    return context


class _Smtp(smtplib.SMTP):
    """The library's client on a socket that keeps to the deadline."""

    def __init__(self, *, resolve: Resolve, **named: Any) -> None:
        self._resolve = resolve
        super().__init__(**named)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return connect(host, port, resolve=self._resolve)


class _SmtpOverTls(_Smtp):
    """The same with TLS from the first byte, as ``smtplib.SMTP_SSL`` is."""

    def __init__(self, *, context: ssl.SSLContext, **named: Any) -> None:
        self._context = context
        super().__init__(**named)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = super()._get_socket(host, port, timeout)
        try:
            return self._context.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise


class Session:
    """Opens on construction. For one thread at a time.

    Args:
        context: How certificates are verified; None without TLS.
        resolve: How the server's name is looked up.

    Raises:
        NotConfiguredError: The settings are missing or contradict themselves.
        RefusedError: The server said no.
        OSError, smtplib.SMTPException: The network or TLS failed, or the deadline is over.
    """

    def __init__(self, *, context: ssl.SSLContext | None, resolve: Resolve) -> None:
        self._opened_at = time.monotonic()
        self._used_at = self._opened_at
        self._needs_reset = False
        self.mails = 0
        self._smtp = self._connect(context, resolve)
        try:
            self._introduce(context)
        except BaseException:
            self.close()
            raise

    def end_mail(self, *, taken: bool) -> None:
        """Count a mail that the server has answered.

        After a mail that went through nothing needs to be reset (RFC 5321, 4.1.1.4). After any
        other that is done before the next one: its answer does not wait for that.
        """
        self.mails += 1
        self._used_at = time.monotonic()
        self._needs_reset = not taken

    def command(self, line: str, stage: Stage, *expected: int) -> None:
        """Send one command.

        Args:
            line: The command without its line end.
            stage: What it is.
            expected: The codes that are agreement; 250 to 252 when not given.

        Raises:
            RefusedError: The reply is another.
        """
        code, text = self._smtp.docmd(line)
        if code not in (expected or OK_CODES):
            raise RefusedError(code, text, stage)

    def hand_over(self, content: bytes) -> None:
        """Send a mail's content, dots doubled, and the final dot (RFC 5321, 4.5.2).

        An error here means that the final dot, its last bytes, has not left this host.
        """
        self._smtp.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")

    def verdict(self) -> tuple[int, bytes]:
        """Wait for the reply to the final dot."""
        return self._smtp.getreply()

    def allow_utf8(self) -> bool:
        """Let the next commands carry UTF-8, where the server takes it (RFC 6531)."""
        offered = self._smtp.has_extn("smtputf8")
        self._smtp.command_encoding = "utf-8" if offered else "ascii"
        return offered

    def too_old(self) -> bool:
        """Tell whether the session has served its time."""
        return time.monotonic() - self._opened_at > MAX_AGE_SECONDS or self.mails >= MAX_MAILS

    def alive(self) -> bool:
        """Tell whether the session may carry another mail, and bring it to its beginning."""
        if self.too_old():
            return False
        idle = time.monotonic() - self._used_at >= IDLE_CHECK_SECONDS
        if not (idle or self._needs_reset):
            return True
        try:
            with deadline(CHECK_SECONDS):
                self.command("RSET" if self._needs_reset else "NOOP", Stage.MAIL)
        except (RefusedError, *WIRE_ERRORS):
            return False
        self._needs_reset = False
        return True

    def close(self) -> None:
        """Close the connection without a word."""
        self._smtp.close()

    @staticmethod
    def _connect(context: ssl.SSLContext | None, resolve: Resolve) -> smtplib.SMTP:
        host, port, mode = settings.SMTP_HOST, settings.SMTP_PORT, settings.SMTP_TLS
        if not host:
            raise NotConfiguredError("SMTP_HOST is not set.")
        if mode == "none" and settings.SMTP_USERNAME and not _is_loopback(host):
            raise NotConfiguredError("SMTP_TLS=none would show the password to the network.")
        common: dict[str, Any] = {
            "host": host,
            "port": port,
            "local_hostname": _own_name(),
            "resolve": resolve,
        }
        try:
            if mode == "implicit":
                assert context is not None
                return _SmtpOverTls(context=context, **common)
            return _Smtp(**common)
        except smtplib.SMTPConnectError as error:
            raise RefusedError(error.smtp_code, error.smtp_error, Stage.CONNECT) from None

    def _introduce(self, context: ssl.SSLContext | None) -> None:
        self._greet()
        if settings.SMTP_TLS == "starttls":
            code, text = self._smtp.starttls(context=context)
            if code != READY:
                raise RefusedError(code, text, Stage.STARTTLS)
            self._greet()
        if settings.SMTP_USERNAME:
            self._log_in()

    def _greet(self) -> None:
        code, text = self._smtp.ehlo()
        if code not in OK_CODES:
            raise RefusedError(code, text, Stage.EHLO)

    def _log_in(self) -> None:
        try:
            self._smtp.login(settings.SMTP_USERNAME, settings.SMTP_PASSWORD)
        except smtplib.SMTPAuthenticationError as error:
            raise RefusedError(error.smtp_code, error.smtp_error, Stage.AUTH) from None
        except smtplib.SMTPNotSupportedError:
            raise NotConfiguredError("The server offers no login that we know.") from None
        except UnicodeError:
            message = "SMTP_USERNAME and SMTP_PASSWORD must be ASCII."
            raise NotConfiguredError(message) from None


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(host.strip("[]")).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _own_name() -> str:
    """Name this host for EHLO without asking DNS, which smtplib would do for each session."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
