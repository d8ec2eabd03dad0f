"""E-mail over SMTP (RFC 5321), one kept session for each thread."""

import smtplib
import ssl
import threading
import time
from dataclasses import replace
from typing import ClassVar

from django.conf import settings

from apps.notifications.providers import mime
from apps.notifications.providers.addresses import BadAddressError, name_and_address, wire_address
from apps.notifications.providers.base import Mail, Outcome, Provider, Reply, provider_words
from apps.notifications.providers.smtp_replies import Stage, classify
from apps.notifications.providers.smtp_session import (
    WIRE_ERRORS,
    NotConfiguredError,
    RefusedError,
    Session,
    timed_out,
    tls_context,
)

TIMEOUT_SECONDS = 10.0
START_MAIL_INPUT = 354
NO_UTF8 = Reply(
    outcome=Outcome.REJECTED,
    reason="smtputf8",
    detail="The server does not take addresses outside of ASCII (RFC 6531).",
)


class SmtpProvider(Provider[Mail]):
    """Sends by the server that ``SMTP_HOST`` and its companions name.

    Args:
        timeout: Seconds for connecting and for each reply.
    """

    name: ClassVar[str] = "smtp"
    channel: ClassVar[str] = "email"
    threads: ClassVar[int] = 8

    def __init__(self, *, timeout: float = TIMEOUT_SECONDS) -> None:
        super().__init__()
        self._timeout = timeout
        self._local = threading.local()
        self._sessions: set[Session] = set()
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def send(self, message: Mail) -> Reply:
        """Hand the mail to the server; the table of ``smtp_replies`` reads its answer."""
        started = time.monotonic()
        try:
            reply = self._deliver(message)
        except BadAddressError as error:
            reply = _failure(Outcome.REJECTED, "invalid_address", error)
        return replace(reply, duration_ms=round((time.monotonic() - started) * 1000))

    def close(self) -> None:
        """End the sessions of every thread."""
        super().close()
        with self._lock:
            closing, self._sessions = self._sessions, set()
            self._local = threading.local()
            self._context = None
        for session in closing:
            session.close()

    def _deliver(self, mail: Mail) -> Reply:
        content = mime.build(mail)
        kept = self._kept_session()
        reply = self._transfer(kept, mail, content) if kept is not None else None
        if reply is not None:
            return reply
        try:
            session = self._open()
        except RefusedError as error:
            return classify(error.code, error.text, error.stage)
        except (NotConfiguredError, *WIRE_ERRORS) as error:
            return _failure(*_opening_failure(error), error)
        return self._transfer(session, mail, content) or Reply(
            outcome=Outcome.TRANSIENT, reason="connection", detail="The session ended at once."
        )

    def _transfer(self, session: Session, mail: Mail, content: bytes) -> Reply | None:
        """Carry one mail through a session.

        Returns:
            The reply; None where the server had ended a kept session before this mail began,
            so that a new one may be tried.
        """
        handed_over = False
        try:
            session.begin_mail()
            if not self._name_people(session, mail):
                return NO_UTF8
            session.command("DATA", Stage.DATA, START_MAIL_INPUT)
            session.hand_over(content)
            handed_over = True
            code, text = session.verdict()
        except RefusedError as error:
            reply = classify(error.code, error.text, error.stage, mail.recipient)
            stale = error.code == 421 and error.stage is Stage.MAIL and session.mails > 0  # noqa: PLR2004 - RFC 5321, 3.8.
        except WIRE_ERRORS as error:
            self._drop(session)
            if session.mails and not handed_over and not timed_out(error):
                return None
            outcome = Outcome.UNKNOWN if handed_over else Outcome.TRANSIENT
            return _failure(outcome, "connection", error, mail.recipient)
        else:
            reply = classify(code, text, Stage.END, mail.recipient)
            stale = False
        session.end_mail()
        if reply.outcome is not Outcome.ACCEPTED:
            self._recover(session, reply)
        return None if stale else reply

    @staticmethod
    def _name_people(session: Session, mail: Mail) -> bool:
        """Name sender and recipient; False where the server cannot take their addresses."""
        sender = name_and_address(mail.sender)[1]
        recipient = wire_address(mail.recipient)
        extended = not (sender.isascii() and recipient.isascii())
        if extended and not session.allow_utf8():
            return False
        session.command(
            f"MAIL FROM:<{sender}>{' BODY=8BITMIME SMTPUTF8' if extended else ''}", Stage.MAIL
        )
        session.command(f"RCPT TO:<{recipient}>", Stage.RCPT)
        return True

    def _recover(self, session: Session, reply: Reply) -> None:
        """Bring a session back to its beginning after a refusal, or give it up.

        After a mail that went through nothing needs to be reset (RFC 5321, 4.1.1.4).
        """
        if reply.code.startswith("421") or reply.reason == "unreadable_reply":
            self._drop(session)
            return
        try:
            session.command("RSET", Stage.MAIL)
        except (RefusedError, *WIRE_ERRORS):
            self._drop(session)

    def _open(self) -> Session:
        with self._lock:
            if self._context is None and settings.SMTP_TLS != "none":
                self._context = tls_context()
            context = self._context
        session = Session(timeout=self._timeout, context=context)
        with self._lock:
            self._sessions.add(session)
        self._local.session = session
        return session

    def _kept_session(self) -> Session | None:
        session: Session | None = getattr(self._local, "session", None)
        if session is not None and not session.alive():
            self._drop(session)
            return None
        return session

    def _drop(self, session: Session) -> None:
        session.close()
        with self._lock:
            self._sessions.discard(session)
        self._local.session = None


def _opening_failure(error: Exception) -> tuple[Outcome, str]:
    match error:
        case NotConfiguredError():
            return Outcome.CONFIGURATION, "settings"
        case smtplib.SMTPNotSupportedError():
            # The server offers no STARTTLS: the mail never goes over an open line instead.
            return Outcome.CONFIGURATION, "starttls"
        case ssl.SSLCertVerificationError():
            return Outcome.CONFIGURATION, "certificate"
        case _:
            return Outcome.TRANSIENT, "connection"


def _failure(outcome: Outcome, reason: str, error: Exception, *personal: str) -> Reply:
    return Reply(
        outcome=outcome,
        code=type(error).__name__,
        reason=reason,
        detail=provider_words(str(error), *personal),
    )
