"""A provider that sends nothing, stores the messages for ``/sandbox/`` and simulates replies.

The recipient selects the reply: an address or token that begins with ``bounce`` is dead, ``slow``
takes two seconds, ``flaky`` fails the first time, and every other is delivered immediately. For a
sensitive message, only the recipient and the time are stored, and not the content.
"""

import re
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar
from uuid import UUID

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.models.sandbox import SandboxMessage
from apps.notifications.privacy.redaction import REDACTED, redacted
from apps.notifications.providers.base import Mail, Message, Provider, Push, Reply

SLOW_SECONDS = 2.0
# An address selects its reply by the local part, "bounce@…" or "bounce+tag@…"; a token by its
# beginning.
MAIL_PARTS = re.compile(r"(bounce|slow|flaky)(?:\+[^@]*)?@", re.IGNORECASE)
TOKEN_PARTS = re.compile(r"(bounce|slow|flaky)", re.IGNORECASE)

TAKEN = Reply(outcome=Outcome.ACCEPTED, code="250 2.0.0", delivered=True)
FLAKY = Reply(
    outcome=Outcome.TRANSIENT, code="451 4.3.0", reason="flaky", detail="Try again later."
)
NO_SUCH_ADDRESS = Reply(
    outcome=Outcome.DEAD_ADDRESS,
    code="550 5.1.1",
    reason="hard_bounce",
    detail="The sandbox has no such address.",
)
NO_SUCH_TOKEN = Reply(
    outcome=Outcome.DEAD_ADDRESS,
    code="UNREGISTERED",
    reason="unregistered",
    detail="The sandbox has no such token.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scenario:
    """A message as the sandbox stores it, and the simulated behaviour of its recipient."""

    part: str
    record: SandboxMessage


class _Sandbox(Provider[Message]):
    """The common part of both channels. Subclasses define ``bounce`` and ``scene``.

    ``send_all`` runs in the thread of the task and starts no others. Unlike a provider that uses
    the network, it may therefore use the database: a chunk costs one insert.
    """

    name: ClassVar[str] = "sandbox"
    bounce: ClassVar[Reply]

    def __init__(
        self,
        *,
        slow_seconds: float = SLOW_SECONDS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        super().__init__()
        self._slow_seconds = slow_seconds
        self._sleep = sleep

    @abstractmethod
    def scene(self, message: Message) -> _Scenario:
        """Build the stored record of a message."""

    def send(self, message: Message) -> Reply:
        """Store one message. Unlike in other providers, only the task's thread may call this."""
        return self._play([message])[0]

    def check(self) -> Reply:
        """Return that there is nothing to connect to."""
        return Reply(outcome=Outcome.ACCEPTED, detail="It keeps messages here and calls nobody.")

    def send_all(self, messages: Sequence[Message], *, until: float) -> list[Reply | None]:
        """Store a chunk in one statement. After ``until`` the whole chunk is skipped."""
        if not messages or time.monotonic() >= until:
            return [None] * len(messages)
        return list(self._play(messages))

    def send_parts(
        self,
        messages: Sequence[Message],
        *,
        until: float,
        seconds: float | None = None,
        urgent: bool = False,
    ) -> Iterator[dict[int, Reply | None]]:
        """Yield the replies of the whole chunk in one part."""
        yield dict(enumerate(self.send_all(messages, until=until)))

    def _play(self, messages: Sequence[Message]) -> list[Reply]:
        scenes = [self.scene(message) for message in messages]
        # The slow recipients of a chunk share one pause.
        pause = self._slow_seconds if any(scene.part == "slow" for scene in scenes) else 0.0
        if pause:
            self._sleep(pause)
        tried_before = _tried_before(scenes)
        replies = []
        for scene in scenes:
            reply = self._reply(scene, tried_before, pause)
            scene.record.outcome, scene.record.code = reply.outcome.value, reply.code
            replies.append(reply)
        SandboxMessage.objects.bulk_create([scene.record for scene in scenes])
        return replies

    def _reply(self, scene: _Scenario, tried_before: set[tuple[UUID, str]], pause: float) -> Reply:
        record = scene.record
        if scene.part == "bounce":
            return self.bounce
        if scene.part == "flaky" and (record.notification_id, record.recipient) not in tried_before:
            return FLAKY
        return Reply(
            outcome=TAKEN.outcome,
            code=TAKEN.code,
            delivered=TAKEN.delivered,
            provider_message_id=str(record.id),
            duration_ms=round(pause * 1000) if scene.part == "slow" else 0,
        )


class SandboxMail(_Sandbox[Mail]):
    """The sandbox for e-mail."""

    channel: ClassVar[str] = "email"
    bounce: ClassVar[Reply] = NO_SUCH_ADDRESS

    def scene(self, message: Mail) -> _Scenario:
        """Build the record of a mail, with the headers that would have been sent."""
        if message.sensitive:
            html = message.html and REDACTED
            message = replace(message, subject=REDACTED, text=REDACTED, html=html)
        name, address = message.recipient_name, message.recipient
        headers = {
            "From": message.sender,
            "To": f"{name} <{address}>" if name else address,
            "Subject": message.subject,
            "Message-ID": message.message_id,
            "X-Correlation-ID": message.correlation_id,
            **message.headers,
        }
        return _Scenario(
            part=_part(MAIL_PARTS, address),
            record=SandboxMessage(
                notification_id=message.notification_id,
                channel=self.channel,
                recipient=address,
                subject=_storable(message.subject),
                text=_storable(message.text),
                html=_storable(message.html or ""),
                headers={name: _storable(value) for name, value in headers.items()},
                correlation_id=message.correlation_id,
            ),
        )


class SandboxPush(_Sandbox[Push]):
    """The sandbox for push."""

    channel: ClassVar[str] = "push"
    bounce: ClassVar[Reply] = NO_SUCH_TOKEN

    def scene(self, message: Push) -> _Scenario:
        """Build the record of a push, with the data that the app would have received."""
        if message.sensitive:
            data = redacted(message.data)
            message = replace(
                message, title=REDACTED, body=REDACTED, image=None, link=None, data=data
            )
        shown_data = {
            **({"receipt": message.receipt} if message.receipt else {}),
            **message.data,
            "notification_id": str(message.notification_id),
            "correlation_id": message.correlation_id,
        }
        shown = {"image": message.image, "link": message.link, "platform": message.platform}
        return _Scenario(
            part=_part(TOKEN_PARTS, message.token),
            record=SandboxMessage(
                notification_id=message.notification_id,
                channel=self.channel,
                recipient=message.token,
                subject=_storable(message.title),
                text=_storable(message.body),
                headers={name: _storable(value) for name, value in shown.items() if value},
                data={name: _storable(value) for name, value in shown_data.items()},
                correlation_id=message.correlation_id,
            ),
        )


def _storable(text: str) -> str:
    """Replace characters that PostgreSQL cannot store: NUL and lone surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _part(parts: re.Pattern[str], recipient: str) -> str:
    found = parts.match(recipient)
    return found[1].lower() if found else ""


def _tried_before(scenes: Sequence[_Scenario]) -> set[tuple[UUID, str]]:
    """Return the flaky recipients that already have a record; no query without flaky ones."""
    ids = [scene.record.notification_id for scene in scenes if scene.part == "flaky"]
    if not ids:
        return set()
    records = SandboxMessage.objects.filter(notification_id__in=ids)
    return set(records.values_list("notification_id", "recipient"))
