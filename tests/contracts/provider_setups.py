"""A test setup for each provider: its fake server, simulated faults, and the received messages."""

from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from pytest_django.fixtures import Settings

from apps.notifications.models.sandbox import SandboxMessage
from apps.notifications.providers.base import Provider
from apps.notifications.providers.fcm.provider import FcmProvider
from apps.notifications.providers.sandbox import SandboxMail, SandboxPush
from apps.notifications.providers.sendgrid import SendGridProvider
from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.fakes import fcm_server, sendgrid_server, smtp_server
from tests.fakes.fixtures import point_at_smtp
from tests.fakes.http_server import Answer
from tests.fakes.messages import a_mail, a_push

# A call that no server answers ends after the short time. Every other call has the long one: with
# half a second a busy machine ended calls that were accepted, and each of them cost a connection.
SHORT_SECONDS, LONG_SECONDS = 0.5, 10.0


class Fault(StrEnum):
    """A fault that the remote side simulates for the next message."""

    BUSY = "busy"
    REFUSES = "refuses"
    NO_SUCH_ADDRESS = "no such address"
    BAD_CREDENTIALS = "bad credentials"
    RATE_LIMITED = "rate limited"
    HANGS = "hangs"
    AWAY = "away"
    DROPS_AFTER_HANDOVER = "drops after hand-over"
    TALKS_NONSENSE = "talks nonsense"


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    """What the remote side received: our ids, and the mark that identifies a second copy."""

    notification_id: UUID
    correlation_id: str
    mark: str


class ProviderSetup:
    """A provider together with its remote side. Subclasses implement all methods.

    Args:
        timeout: Seconds for a whole call.
    """

    key: ClassVar[tuple[str, str]]
    faults: ClassVar[frozenset[Fault]]
    provider: Provider[Any]

    def __init__(
        self,
        stack: ExitStack,
        settings: Settings,
        tmp_path: Path,
        *,
        timeout: float = LONG_SECONDS,
    ) -> None:
        self.stack, self.settings, self.tmp_path = stack, settings, tmp_path
        self.timeout = timeout
        self.open()
        stack.callback(self.provider.close)

    def open(self) -> None:
        raise NotImplementedError

    def message(self, fault: Fault | None = None) -> Any:
        """Make a message; if ``fault`` is given, the remote side simulates that fault for it."""
        raise NotImplementedError

    def received(self) -> list[ReceivedMessage]:
        raise NotImplementedError

    def connections(self) -> int:
        raise NotImplementedError


class SmtpSetup(ProviderSetup):
    key = ("email", "smtp")
    faults = frozenset(Fault) - {Fault.RATE_LIMITED}
    script: ClassVar[dict[Fault, tuple[str, str]]] = {
        Fault.BUSY: ("rcpt", "450 4.2.0 Mailbox busy"),
        Fault.REFUSES: ("end", "554 5.6.0 Message refused"),
        Fault.NO_SUCH_ADDRESS: ("rcpt", "550 5.1.1 No such user"),
        Fault.BAD_CREDENTIALS: ("mail", "530 5.7.0 Authentication required"),
        Fault.HANGS: ("end", smtp_server.HANG),
        Fault.DROPS_AFTER_HANDOVER: ("end", smtp_server.DROP),
        Fault.TALKS_NONSENSE: ("end", "\udcff\udcfe nonsense"),
    }

    def open(self) -> None:
        self.server = self.stack.enter_context(smtp_server.SmtpServer())
        point_at_smtp(self.settings, self.server)
        self.provider = SmtpProvider(timeout=self.timeout, reply_timeout=self.timeout)

    def message(self, fault: Fault | None = None) -> Any:
        if fault is Fault.AWAY:
            self.server.stop_serving()
        elif fault is not None:
            stage, reply = self.script[fault]
            self.server.answer(stage, reply)
        return a_mail()

    def received(self) -> list[ReceivedMessage]:
        return [
            ReceivedMessage(
                notification_id=UUID(mail.parsed["Message-ID"][1:37]),
                correlation_id=mail.parsed["X-Correlation-ID"],
                mark=mail.parsed["Message-ID"],
            )
            for mail in self.server.mails
        ]

    def connections(self) -> int:
        return self.server.connections


class SendGridSetup(ProviderSetup):
    key = ("email", "sendgrid")
    faults = frozenset(Fault) - {Fault.NO_SUCH_ADDRESS, Fault.TALKS_NONSENSE}
    script: ClassVar[dict[Fault, Answer]] = {
        Fault.BUSY: sendgrid_server.refusal(503, "Unavailable"),
        Fault.REFUSES: sendgrid_server.refusal(400, "Bad request"),
        Fault.BAD_CREDENTIALS: sendgrid_server.refusal(401, "Unauthorized"),
        Fault.RATE_LIMITED: sendgrid_server.refusal(429, "Too many requests"),
        Fault.HANGS: Answer(hang=True),
        Fault.DROPS_AFTER_HANDOVER: Answer(drop=True),
    }

    def open(self) -> None:
        self.server = self.stack.enter_context(sendgrid_server.SendGridServer())
        self.settings.SENDGRID_API_URL = self.server.url
        self.settings.SENDGRID_API_KEY = sendgrid_server.API_KEY
        self.provider = SendGridProvider(timeout=self.timeout)

    def message(self, fault: Fault | None = None) -> Any:
        mail = a_mail()
        if fault is Fault.AWAY:
            self.server.stop_serving()
        elif fault is not None:
            self.server.answer(mail.recipient, self.script[fault])
        return mail

    def received(self) -> list[ReceivedMessage]:
        return [
            ReceivedMessage(
                notification_id=UUID(mail["custom_args"]["notification_id"]),
                correlation_id=mail["custom_args"]["correlation_id"],
                mark=mail["headers"]["Message-ID"],
            )
            for mail in self.server.mails
        ]

    def connections(self) -> int:
        return self.server.connections


class FcmSetup(ProviderSetup):
    key = ("push", "fcm")
    faults = frozenset(Fault)
    script: ClassVar[dict[Fault, Answer]] = {
        Fault.BUSY: fcm_server.refusal(503, "UNAVAILABLE", "Busy", fcm="UNAVAILABLE"),
        Fault.REFUSES: fcm_server.refusal(
            400, "INVALID_ARGUMENT", "Android message is too big", fcm="INVALID_ARGUMENT"
        ),
        Fault.NO_SUCH_ADDRESS: fcm_server.refusal(
            404, "NOT_FOUND", "Requested entity was not found.", fcm="UNREGISTERED"
        ),
        Fault.BAD_CREDENTIALS: fcm_server.refusal(401, "UNAUTHENTICATED", "Bad token"),
        Fault.RATE_LIMITED: fcm_server.refusal(
            429, "RESOURCE_EXHAUSTED", "Quota", fcm="QUOTA_EXCEEDED"
        ),
        Fault.HANGS: Answer(hang=True),
        Fault.DROPS_AFTER_HANDOVER: Answer(drop=True),
        Fault.TALKS_NONSENSE: Answer(status=200, body=b"<html>hello</html>"),
    }

    def open(self) -> None:
        self.server = self.stack.enter_context(fcm_server.FcmServer())
        key_file = self.server.write_key_file(self.tmp_path / "key.json")
        self.settings.FCM_API_URL = self.server.url
        self.settings.FCM_SERVICE_ACCOUNT_FILE = str(key_file)
        self.provider = FcmProvider(timeout=self.timeout)

    def message(self, fault: Fault | None = None) -> Any:
        push = a_push()
        if fault is Fault.AWAY:
            self.server.stop_serving()
        elif fault is not None:
            self.server.answer(push.token, self.script[fault])
        return push

    def received(self) -> list[ReceivedMessage]:
        return [
            ReceivedMessage(
                notification_id=UUID(message["data"]["notification_id"]),
                correlation_id=message["data"]["correlation_id"],
                mark=message["android"]["notification"]["tag"],
            )
            for message in self.server.messages
        ]

    def connections(self) -> int:
        return len(self.server.send_connections)


class SandboxSetup(ProviderSetup):
    faults = frozenset({Fault.BUSY, Fault.NO_SUCH_ADDRESS})
    parts: ClassVar[dict[Fault, str]] = {Fault.BUSY: "flaky", Fault.NO_SUCH_ADDRESS: "bounce"}

    def received(self) -> list[ReceivedMessage]:
        taken = SandboxMessage.objects.filter(outcome="accepted").order_by("id")
        return [
            ReceivedMessage(
                notification_id=row.notification_id,
                correlation_id=row.correlation_id,
                mark=row.headers.get("Message-ID") or row.data["notification_id"],
            )
            for row in taken
        ]

    def connections(self) -> int:
        return 1  # The database connection.


class SandboxMailSetup(SandboxSetup):
    key = ("email", "sandbox")

    def open(self) -> None:
        self.provider = SandboxMail(slow_seconds=0.1)

    def message(self, fault: Fault | None = None) -> Any:
        return a_mail(f"{self.parts[fault]}@example.com") if fault else a_mail()


class SandboxPushSetup(SandboxSetup):
    key = ("push", "sandbox")

    def open(self) -> None:
        self.provider = SandboxPush(slow_seconds=0.1)

    def message(self, fault: Fault | None = None) -> Any:
        return a_push(f"{self.parts[fault]}-token") if fault else a_push()


SETUPS: tuple[type[ProviderSetup], ...] = (
    SandboxMailSetup,
    SmtpSetup,
    SendGridSetup,
    SandboxPushSetup,
    FcmSetup,
)
