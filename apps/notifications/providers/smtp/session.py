"""One SMTP session: connected, encrypted and authenticated.

Every wait ends at the deadline of the thread that uses the session (``deadline``).
"""

import contextlib
import smtplib
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from apps.notifications.providers.addresses import name_and_address
from apps.notifications.providers.deadline import Resolve, bound_tls, connect, deadline
from apps.notifications.providers.smtp.replies import Stage

# Servers close idle sessions after some minutes (RFC 5321 requires at least five). A NOOP after
# this pause detects a closed session before a mail is sent in it.
IDLE_CHECK_SECONDS = 5.0
MAX_AGE_SECONDS = 240.0
# Some servers limit the mails per session. After this many, a new session costs little. A smaller
# limit of the server is learned (``provider``).
MAX_MAILS = 500
# The time limit for the check of a kept session. It leaves enough of the call for a new session.
CHECK_SECONDS = 5.0

READY = 220
OK_CODES = frozenset({250, 251, 252})


class RefusedError(Exception):
    """The server answered a command with an unexpected reply code."""

    def __init__(self, code: int, text: bytes | str, stage: Stage) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.stage = stage


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command.

    Attributes:
        line: The command without its line end.
        stage: The stage of the command.
        expected: The reply codes that mean success.
    """

    line: str
    stage: Stage
    expected: frozenset[int] = OK_CODES


class NotConfiguredError(Exception):
    """The settings do not allow a session to be opened. The text contains the cause."""


# The errors that the network, TLS or a server that does not speak SMTP can raise.
WIRE_ERRORS = (OSError, smtplib.SMTPException, ValueError)


def timed_out(error: BaseException) -> bool:
    """Return whether an error is a timeout. smtplib wraps it into "server disconnected"."""
    return isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)


def tls_context() -> ssl.SSLContext:
    """Create a TLS context that verifies certificates and host names, and trusts SMTP_CA_FILE.

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
    """The smtplib client with a socket that respects the deadline."""

    def __init__(self, *, resolve: Resolve, **named: Any) -> None:
        self._resolve = resolve
        super().__init__(**named)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return connect(host, port, resolve=self._resolve)


class _SmtpOverTls(_Smtp):
    """The same client with implicit TLS, like ``smtplib.SMTP_SSL``."""

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
    """An SMTP session, opened by the constructor. Only one thread at a time may use it.

    Attributes:
        mails: The number of mails that the server has answered.
        carried: The number of those that it has accepted.
        refused_at: The command to which the server answered that it takes no further mail now.

    Args:
        context: The TLS context; None without TLS.
        resolve: Resolves the server's host name.

    Raises:
        NotConfiguredError: The settings are missing or inconsistent.
        RefusedError: The server refused a command.
        OSError, smtplib.SMTPException: The network or TLS failed, or the deadline is over.
    """

    def __init__(self, *, context: ssl.SSLContext | None, resolve: Resolve) -> None:
        self._opened_at = time.monotonic()
        self._used_at = self._opened_at
        self._needs_reset = False
        self.mails = 0
        self.carried = 0
        self.refused_at: Stage | None = None
        self._smtp = self._connect(context, resolve)
        try:
            self._introduce(context)
        except BaseException:
            self.close()
            raise

    def end_mail(self, *, taken: bool) -> None:
        """Count a mail that the server has answered.

        After an accepted mail no reset is needed (RFC 5321, 4.1.1.4). After any other mail, RSET is
        sent before the next mail, so that the reply to this one does not wait for it.
        """
        self.mails += 1
        self.carried += taken
        self._used_at = time.monotonic()
        self._needs_reset = not taken

    def command(self, command: Command) -> None:
        """Send one command.

        Raises:
            RefusedError: The reply has another code than those expected.
        """
        code, text = self._smtp.docmd(command.line)
        if code not in command.expected:
            raise RefusedError(code, text, command.stage)

    def commands(self, commands: Sequence[Command]) -> None:
        """Send commands, all at once if the server offers PIPELINING (RFC 2920).

        A mail then waits for two replies of the server and not for four.

        Raises:
            RefusedError: One was refused. If several were, this is the first of them.
        """
        if self._smtp.has_extn("pipelining"):
            self._smtp.send("".join(f"{_one_line(command.line)}\r\n" for command in commands))
            self._expect_all(commands)
        else:
            for command in commands:
                self.command(command)

    def _expect_all(self, commands: Sequence[Command]) -> None:
        refused: RefusedError | None = None
        for command in commands:
            try:
                code, text = self._smtp.getreply()
            except WIRE_ERRORS:
                if refused is None:
                    raise
                # A server that refuses with 421 closes the connection and answers nothing else.
                self.close()
                break
            if code not in command.expected:
                refused = refused or RefusedError(code, text, command.stage)
            elif refused is not None and command.stage is Stage.DATA:
                # The server waits for the content of a mail that has no sender or recipient.
                self.close()
        if refused is not None:
            raise refused

    def hand_over(self, content: bytes) -> None:
        """Send a mail's content with dot-stuffing, and the final dot (RFC 5321, 4.5.2).

        An error here means that the final dot, the last bytes, has not left this host.
        """
        self._smtp.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")

    def verdict(self) -> tuple[int, bytes]:
        """Wait for the reply to the final dot."""
        return self._smtp.getreply()

    def allow_utf8(self) -> bool:
        """Use UTF-8 in the next commands if the server supports it (RFC 6531)."""
        offered = self._smtp.has_extn("smtputf8")
        self._smtp.command_encoding = "utf-8" if offered else "ascii"
        return offered

    def too_old(self) -> bool:
        """Return whether the session has reached its maximum age."""
        return time.monotonic() - self._opened_at > MAX_AGE_SECONDS

    def alive(self) -> bool:
        """Return whether the session can be used for another mail, and reset it if necessary."""
        if self.too_old():
            return False
        idle = time.monotonic() - self._used_at >= IDLE_CHECK_SECONDS
        if not (idle or self._needs_reset):
            return True
        try:
            with deadline(CHECK_SECONDS):
                line = "RSET" if self._needs_reset else "NOOP"
                self.command(Command(line=line, stage=Stage.MAIL))
        except (RefusedError, *WIRE_ERRORS):
            return False
        self._needs_reset = False
        return True

    def close(self) -> None:
        """Close the connection without QUIT."""
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
            "local_hostname": own_name(),
            "resolve": resolve,
        }
        try:
            if mode == "implicit":
                assert context is not None
                return _SmtpOverTls(context=context, **common)
            return _Smtp(**common)
        except smtplib.SMTPConnectError as error:
            raise RefusedError(error.smtp_code, error.smtp_error, Stage.CONNECT) from None
        except (ssl.SSLError, TimeoutError, smtplib.SMTPServerDisconnected) as error:
            if _is_wrong_mode(error, mode, port):
                raise NotConfiguredError(_WRONG_MODE.format(mode=mode, port=port)) from error
            raise

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


def _one_line(line: str) -> str:
    """Return a line that has no line end, which would begin another command.

    Raises:
        ValueError: It has one.
    """
    if "\r" in line or "\n" in line:
        raise ValueError("A command of SMTP must be one line.")
    return line


_WRONG_MODE = (
    "SMTP_TLS={mode} does not fit SMTP_PORT={port}: usually port 465 is for SMTP_TLS=implicit, and "
    "ports 25 and 587 are for starttls."
)
IMPLICIT_PORT = 465
# What OpenSSL says of a greeting in plain text.
NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST"})


def _is_wrong_mode(error: Exception, mode: str, port: int) -> bool:
    """Return whether the server speaks TLS where we did not, or the other way round."""
    if mode == "implicit":
        return isinstance(error, ssl.SSLError) and error.reason in NOT_TLS
    # A server that expects TLS sends no greeting, and waits.
    return port == IMPLICIT_PORT and timed_out(error)


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(host.strip("[]")).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def own_name() -> str:
    """Return the name for EHLO: the setting, the host of ``PUBLIC_URL``, or the sender's domain.

    Many servers refuse an address or a name without a dot, and a container's own name has none.
    """
    if settings.SMTP_LOCAL_HOSTNAME:
        return str(settings.SMTP_LOCAL_HOSTNAME)
    public = urlsplit(settings.PUBLIC_URL).hostname or ""
    if "." in public.strip(".") and not _is_address(public):
        return public
    return name_and_address(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
