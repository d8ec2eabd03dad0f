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
from apps.notifications.providers.addresses import (
    BadAddressError,
    BadSenderError,
    name_and_address,
    wire_address,
)
from apps.notifications.providers.base import Mail, Provider, Reply, failure
from apps.notifications.providers.deadline import Resolve, deadline, resolve_by_system
from apps.notifications.providers.smtp import mime
from apps.notifications.providers.smtp.replies import Stage, classify
from apps.notifications.providers.smtp.session import (
    MAX_MAILS,
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
        self._given_reply_seconds = reply_timeout
        self._resolve = resolve
        # The sessions that no call uses now. The last used one is at the right end and is reused
        # first. So there are no more open sessions than concurrent calls, and unused ones expire.
        self._idle: deque[Session] = deque()
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        # How many mails a session carries at most, and after how many the last refused one ended.
        self._mails_max = MAX_MAILS
        self._ended_after = 0

    def send(self, message: Mail) -> Reply:
        """Send the mail to the server. ``smtp.replies`` classifies its reply."""
        started = time.monotonic()
        try:
            reply = self._deliver(message)
        except BadSenderError as error:
            reply = failure(Outcome.CONFIGURATION, "sender", error)
        except BadAddressError as error:
            reply = failure(Outcome.REJECTED, "invalid_address", error)
        return replace(reply, duration_ms=round((time.monotonic() - started) * 1000))

    def check(self) -> Reply:
        """Open a session of its own: connection, encryption, greeting and login."""
        started = time.monotonic()
        reply = self._checked()
        return replace(reply, duration_ms=round((time.monotonic() - started) * 1000))

    def close(self) -> None:
        """Close the sessions."""
        super().close()
        with self._lock:
            self._context = None
        self._close_idle()

    def _deliver(self, mail: Mail) -> Reply:
        """Send a mail in a kept session, or in a new one if the kept one is at its end."""
        content = mime.build(mail)
        with deadline(self._timeout + self._reply_seconds):
            kept = self._kept_session()
            reply = self._sent_in(kept, mail, content) if kept is not None else None
            if reply is None:
                reply = self._sent_in_new(mail, content)
                if kept is not None and reply.outcome is Outcome.ACCEPTED:
                    self._learn(kept)
        return reply

    def _checked(self) -> Reply:
        with deadline(self._timeout):
            try:
                self._open().close()
            except BadSenderError as error:
                return failure(Outcome.CONFIGURATION, "sender", error)
            except RefusedError as error:
                return classify(error.code, error.text, error.stage)
            except (NotConfiguredError, *WIRE_ERRORS) as error:
                return failure(*_opening_failure(error), error)
        login = "with a login" if settings.SMTP_USERNAME else "without a login"
        detail = f"{settings.SMTP_HOST} took the session, {login}, SMTP_TLS={settings.SMTP_TLS}."
        return Reply(outcome=Outcome.ACCEPTED, code="250", detail=detail)

    @property
    def _reply_seconds(self) -> float:
        seconds = self._given_reply_seconds
        return float(settings.SMTP_REPLY_TIMEOUT_SECONDS if seconds is None else seconds)

    def _sent_in_new(self, mail: Mail, content: bytes) -> Reply:
        with deadline(self._timeout):
            try:
                session = self._open()
            except RefusedError as error:
                return classify(error.code, error.text, error.stage)
            except (NotConfiguredError, *WIRE_ERRORS) as error:
                return failure(*_opening_failure(error), error)
        return self._sent_in(session, mail, content) or Reply(
            outcome=Outcome.TRANSIENT, reason="connection", detail="The session ended at once."
        )

    def _sent_in(self, session: Session, mail: Mail, content: bytes) -> Reply | None:
        """Send one mail in a session.

        Returns:
            The reply. None if a kept session had been closed by the server, or if the server
            refuses further mails in it, so that a new session can be tried.
        """
        with deadline(self._timeout):
            reply, handed_over = self._transfer(session, mail, content)
        if handed_over:
            return self._verdict(session, mail)
        return reply

    def _transfer(self, session: Session, mail: Mail, content: bytes) -> tuple[Reply | None, bool]:
        """Send a mail to the server, including the final dot.

        Returns:
            As ``_sent_in``, and whether the whole mail was sent instead.
        """
        try:
            commands = self._commands(session, mail)
            if commands is None:
                self._keep(session, taken=True)
                return NO_UTF8, False
            session.commands(commands)
            session.hand_over(content)
        except RefusedError as error:
            reply = classify(error.code, error.text, error.stage, mail.recipient)
            return self._settled(session, reply, error.stage), False
        except BadAddressError:
            self._keep(session, taken=False)
            raise
        except WIRE_ERRORS as error:
            session.close()
            if session.mails and not timed_out(error):
                return None, False
            return failure(Outcome.TRANSIENT, "connection", error, mail.recipient), False
        return None, True

    def _verdict(self, session: Session, mail: Mail) -> Reply | None:
        """Wait for the reply to the final dot. Servers that scan the mail need a long time."""
        try:
            with deadline(self._reply_seconds):
                code, text = session.verdict()
        except WIRE_ERRORS as error:
            session.close()
            return failure(Outcome.UNKNOWN, "connection", error, mail.recipient)
        return self._settled(session, classify(code, text, Stage.END, mail.recipient), Stage.END)

    def _settled(self, session: Session, reply: Reply, stage: Stage) -> Reply | None:
        """Decide after a reply whether the session is kept, and whether a new one can be tried.

        A temporary refusal in a session that has carried mails may only mean that the server takes
        no more in it: "452 4.4.5 Maximum number of messages per session exceeded".
        """
        temporary = reply.code.startswith("4")
        if temporary and (session.carried or (session.mails and reply.code.startswith("421"))):
            session.refused_at = stage
            session.close()
            return None
        if temporary and stage is not Stage.RCPT:
            # The server itself is in trouble, so the next mail begins with a new session.
            session.close()
            self._close_idle()
        elif reply.reason == "unreadable_reply":
            session.close()
        else:
            self._keep(session, taken=reply.outcome is Outcome.ACCEPTED)
        return reply

    def _learn(self, ended: Session) -> None:
        """Learn how many mails the server takes in a session: two ended after the same number.

        Refused recipients say nothing about that.
        """
        if ended.refused_at in {None, Stage.RCPT}:
            return
        with self._lock:
            if ended.carried == self._ended_after:
                self._mails_max = ended.carried
            self._ended_after = ended.carried

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

    def _keep(self, session: Session, *, taken: bool) -> None:
        session.end_mail(taken=taken)
        if session.carried >= self._mails_max:
            session.close()
            return
        with self._lock:
            self._idle.append(session)
            old = self._idle.popleft() if self._idle[0].too_old() else None
        if old is not None:
            old.close()

    def _close_idle(self) -> None:
        with self._lock:
            closing, self._idle = self._idle, deque()
        for session in closing:
            session.close()

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
