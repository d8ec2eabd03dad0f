"""E-mail over SMTP (RFC 5321), with sessions that are reused for further mails."""

import smtplib
import ssl
import threading
import time
from collections import deque
from dataclasses import replace
from typing import ClassVar

from django.conf import settings

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.addresses import BadAddressError, name_and_address, wire_address
from apps.notifications.providers.base import Mail, Provider, Reply, failure
from apps.notifications.providers.deadline import Resolve, deadline, resolve_by_system
from apps.notifications.providers.smtp import mime
from apps.notifications.providers.smtp.replies import Stage, classify
from apps.notifications.providers.smtp.session import (
    WIRE_ERRORS,
    Command,
    NotConfiguredError,
    RefusedError,
    Session,
    timed_out,
    tls_context,
)
from apps.notifications.providers.time_limits import SMTP_CALL_SECONDS

START_MAIL_INPUT = frozenset({354})
NO_UTF8 = Reply(
    outcome=Outcome.REJECTED,
    reason="smtputf8",
    detail="The server does not take addresses outside of ASCII (RFC 6531).",
)


class SmtpProvider(Provider[Mail]):
    """Sends through the server that ``SMTP_HOST`` and the other SMTP settings name.

    Args:
        timeout: Seconds for the whole call until the final dot has been sent.
        reply_timeout: Seconds for the reply to the final dot; by default
            ``SMTP_REPLY_TIMEOUT_SECONDS``.
        resolve: Resolves the server's host name.
    """

    name: ClassVar[str] = "smtp"
    channel: ClassVar[str] = "email"
    threads: ClassVar[int] = 8

    def __init__(
        self,
        *,
        timeout: float = SMTP_CALL_SECONDS,
        reply_timeout: float | None = None,
        resolve: Resolve = resolve_by_system,
    ) -> None:
        super().__init__()
        self._timeout = timeout
        self._reply_timeout = reply_timeout
        self._resolve = resolve
        # The sessions that no call uses now. The last used one is at the right end and is reused
        # first. So there are no more open sessions than concurrent calls, and unused ones expire.
        self._idle: deque[Session] = deque()
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def send(self, message: Mail) -> Reply:
        """Send the mail to the server. ``smtp.replies`` classifies its reply."""
        started = time.monotonic()
        try:
            reply = self._deliver(message)
        except BadAddressError as error:
            reply = failure(Outcome.REJECTED, "invalid_address", error)
        return replace(reply, duration_ms=round((time.monotonic() - started) * 1000))

    def close(self) -> None:
        """Close the sessions."""
        super().close()
        with self._lock:
            closing, self._idle = self._idle, deque()
            self._context = None
        for session in closing:
            session.close()

    def _deliver(self, mail: Mail) -> Reply:
        content = mime.build(mail)
        with deadline(self._timeout):
            handed_over = self._handed_over(mail, content)
        if isinstance(handed_over, Reply):
            return handed_over
        return self._verdict(handed_over, mail)

    def _handed_over(self, mail: Mail, content: bytes) -> Session | Reply:
        """Send a mail to the server, including the final dot.

        Returns:
            The session on which the whole mail has been sent, or the reply for the failure.
        """
        kept = self._kept_session()
        result = self._transfer(kept, mail, content) if kept is not None else None
        if result is not None:
            return result
        try:
            session = self._open()
        except RefusedError as error:
            return classify(error.code, error.text, error.stage)
        except (NotConfiguredError, *WIRE_ERRORS) as error:
            return failure(*_opening_failure(error), error)
        return self._transfer(session, mail, content) or Reply(
            outcome=Outcome.TRANSIENT, reason="connection", detail="The session ended at once."
        )

    def _transfer(self, session: Session, mail: Mail, content: bytes) -> Session | Reply | None:
        """Send one mail in a session.

        Returns:
            As ``_handed_over``. None if the server had closed a kept session before this mail, so
            that a new session can be tried.
        """
        try:
            commands = self._commands(session, mail)
            if commands is None:
                self._keep(session, taken=True)
                return NO_UTF8
            session.commands(commands)
            session.hand_over(content)
        except RefusedError as error:
            reply = classify(error.code, error.text, error.stage, mail.recipient)
            stale = error.code == 421 and error.stage is Stage.MAIL and session.mails > 0  # noqa: PLR2004 - RFC 5321, 3.8.
            self._finish(session, reply)
            return None if stale else reply
        except BadAddressError:
            self._keep(session, taken=False)
            raise
        except WIRE_ERRORS as error:
            session.close()
            if session.mails and not timed_out(error):
                return None
            return failure(Outcome.TRANSIENT, "connection", error, mail.recipient)
        return session

    def _verdict(self, session: Session, mail: Mail) -> Reply:
        """Wait for the reply to the final dot. Servers that scan the mail need a long time."""
        seconds = self._reply_timeout
        try:
            with deadline(settings.SMTP_REPLY_TIMEOUT_SECONDS if seconds is None else seconds):
                code, text = session.verdict()
        except WIRE_ERRORS as error:
            session.close()
            return failure(Outcome.UNKNOWN, "connection", error, mail.recipient)
        reply = classify(code, text, Stage.END, mail.recipient)
        self._finish(session, reply)
        return reply

    @staticmethod
    def _commands(session: Session, mail: Mail) -> list[Command] | None:
        """Return MAIL, RCPT and DATA; None if the server does not support the addresses."""
        sender = name_and_address(mail.sender)[1]
        recipient = wire_address(mail.recipient)
        extended = not (sender.isascii() and recipient.isascii())
        if extended and not session.allow_utf8():
            return None
        options = " BODY=8BITMIME SMTPUTF8" if extended else ""
        return [
            Command(line=f"MAIL FROM:<{sender}>{options}", stage=Stage.MAIL),
            Command(line=f"RCPT TO:<{recipient}>", stage=Stage.RCPT),
            Command(line="DATA", stage=Stage.DATA, expected=START_MAIL_INPUT),
        ]

    def _finish(self, session: Session, reply: Reply) -> None:
        """Keep a session after a reply, unless the server closes it or the reply is unreadable."""
        if reply.code.startswith("421") or reply.reason == "unreadable_reply":
            session.close()
            return
        self._keep(session, taken=reply.outcome is Outcome.ACCEPTED)

    def _keep(self, session: Session, *, taken: bool) -> None:
        session.end_mail(taken=taken)
        with self._lock:
            self._idle.append(session)
            old = self._idle.popleft() if self._idle[0].too_old() else None
        if old is not None:
            old.close()

    def _open(self) -> Session:
        with self._lock:
            if self._context is None and settings.SMTP_TLS != "none":
                self._context = tls_context()
            context = self._context
        return Session(context=context, resolve=self._resolve)

    def _kept_session(self) -> Session | None:
        with self._lock:
            session = self._idle.pop() if self._idle else None
        if session is not None and not session.alive():
            session.close()
            return None
        return session


def _opening_failure(error: Exception) -> tuple[Outcome, str]:
    match error:
        case NotConfiguredError():
            return Outcome.CONFIGURATION, "settings"
        case smtplib.SMTPNotSupportedError():
            # The server does not offer STARTTLS. The mail is never sent without encryption instead.
            return Outcome.CONFIGURATION, "starttls"
        case ssl.SSLCertVerificationError():
            return Outcome.CONFIGURATION, "certificate"
        case _:
            return Outcome.TRANSIENT, "connection"
