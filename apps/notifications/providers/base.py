"""What a provider is: it takes one composed message to the wire and says what became of it."""

import re
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from itertools import count
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

import structlog

from apps.notifications.lifecycle.outcomes import Outcome

log = structlog.get_logger(__name__)

DETAIL_MAX_CHARACTERS = 500
# An e-mail address, or a run of characters as long as a device token: FCM's have 140 and more.
PERSONAL_DATA = re.compile(r"[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']+|[\w:%+/=-]{100,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """The answer to one call on the wire.

    Attributes:
        outcome: What it came to.
        code: The provider's own code, such as ``550 5.1.1`` or ``UNREGISTERED``.
        detail: The provider's own words, cut to 500 characters, without personal data.
        reason: The word that the notification shows when this ends it, such as
            ``unregistered``; by default the outcome's.
        provider_message_id: The provider's id of the message, where it gives one.
        retry_after: Seconds that the provider asks us to wait, or that the protocol sets.
        pause_seconds: For how long the provider itself wants no call at all, of any message.
        duration_ms: How long the call took.
        delivered: The provider vouches that the message has arrived.
    """

    outcome: Outcome
    code: str = ""
    detail: str = ""
    reason: str = ""
    provider_message_id: str = ""
    retry_after: float | None = None
    pause_seconds: float = 0.0
    duration_ms: int = 0
    delivered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """One composed e-mail to one recipient. Its headers are free of CR and LF.

    Attributes:
        message_id: The Message-ID with its angle brackets, made from the notification id, so
            that a second copy can be recognised.
        headers: Further headers, such as List-Unsubscribe and X-Correlation-ID.
        sensitive: The content is a secret: a provider sends it and keeps no copy.
    """

    notification_id: UUID
    correlation_id: str
    message_id: str
    sender: str
    recipient: str
    recipient_name: str
    subject: str
    text: str
    html: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    sensitive: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """One composed push message to one device.

    Attributes:
        image: Address of a picture to show.
        link: Where a tap leads.
        data: What the app gets besides; the ids are added by the provider.
        ttl_seconds: How long the provider may keep it for a device that is away; None for the
            provider's own default.
        sensitive: As of a mail.
    """

    notification_id: UUID
    correlation_id: str
    device_id: UUID
    token: str
    platform: str
    title: str
    body: str
    image: str | None = None
    link: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    ttl_seconds: int | None = None
    sensitive: bool = False


Message = TypeVar("Message", Mail, Push)


class Provider(ABC, Generic[Message]):
    """Base of every provider. One instance serves a process; ``send`` runs in several threads.

    Subclasses implement ``name``, ``channel`` and ``send``, and extend ``close`` where they
    keep connections; they set ``threads`` to how many calls they make at once. They need not
    touch ``send_all`` and ``send_parts``. A constructor takes no argument that is not optional.
    """

    name: ClassVar[str]
    channel: ClassVar[str]
    threads: ClassVar[int] = 8

    def __init__(self) -> None:
        # By urgency: an urgent message never waits for the threads of others.
        self._pools: dict[bool, ThreadPoolExecutor] = {}
        self._pool_lock = threading.Lock()

    @abstractmethod
    def send(self, message: Message) -> Reply:
        """Make one call on the wire. Never raises for what the wire does, never touches the ORM."""

    def close(self) -> None:
        """Give threads and connections back. They are opened again when they are needed again.

        Not to be called while a chunk is on the wire.
        """
        with self._pool_lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.shutdown(wait=True)

    def send_all(self, messages: Sequence[Message], *, until: float) -> list[Reply | None]:
        """Send a chunk side by side and answer in its order.

        Args:
            messages: What to send.
            until: ``time.monotonic()`` after which no further call is begun; what was not
                begun is answered with None.
        """
        replies: dict[int, Reply | None] = {}
        for part in self.send_parts(messages, until=until):
            replies.update(part)
        return [replies[place] for place in range(len(messages))]

    def send_parts(
        self,
        messages: Sequence[Message],
        *,
        until: float,
        seconds: float | None = None,
        urgent: bool = False,
    ) -> Iterator[dict[int, Reply | None]]:
        """Send a chunk side by side, and hand answers over while others are still awaited.

        The calls are begun here and not when the first answers are asked for, so that one chunk
        can be prepared while another is on the wire. None is made in the thread that asks, which
        has to renew the lease of its rows meanwhile. Chunks share the threads, the earlier one
        first.

        Args:
            messages: What to send.
            until: As for ``send_all``.
            seconds: How long answers are gathered; None means until the last has come.
            urgent: Use threads that only urgent chunks use, so that where one process serves all
                lanes an urgent message waits for no slow answer to another.

        Returns:
            Answers by the place of their message, each once; none where none came in ``seconds``.
        """
        calls = _Calls(self.send, messages, until=until, name=self.name)
        with self._pool_lock:
            pool = self._pools.get(urgent)
            if pool is None:
                prefix = f"{self.name}-urgent" if urgent else self.name
                pool = ThreadPoolExecutor(self.threads, thread_name_prefix=prefix)
                self._pools[urgent] = pool
            for _ in range(min(self.threads, len(messages))):
                pool.submit(calls.make)
        return calls.answers(seconds)


class _Calls(Generic[Message]):
    """The calls of one chunk, made by several threads for one that waits.

    A thread takes one message after the other, and the one that waits is woken when all have been
    answered: a future for each message cost a tenth of the call.
    """

    def __init__(
        self,
        send: Callable[[Message], Reply],
        messages: Sequence[Message],
        *,
        until: float,
        name: str,
    ) -> None:
        self._name = name
        self._send: Callable[[Message], Reply] = send
        self._messages: Sequence[Message] = messages
        self._until = until
        # Neither the iterator of a range nor a counter or a deque needs a lock: each step of them
        # is one of the interpreter's own.
        self._places = iter(range(len(messages)))
        self._ended = count(1)
        self._answers: deque[tuple[int, Reply | None]] = deque()
        self._all_ended = threading.Event()

    def make(self) -> None:
        """Make calls until none is left."""
        for place in self._places:
            self._answers.append((place, self._call(place)))
            if next(self._ended) == len(self._messages):
                self._all_ended.set()

    def answers(self, seconds: float | None) -> Iterator[dict[int, Reply | None]]:
        """Hand answers over once all are there, and what there is every so many seconds before."""
        awaited = len(self._messages)
        while awaited:
            self._all_ended.wait(seconds)
            part: dict[int, Reply | None] = {}
            while self._answers:
                place, answer = self._answers.popleft()
                part[place] = answer
            awaited -= len(part)
            yield part

    def _call(self, place: int) -> Reply | None:
        if time.monotonic() >= self._until:
            return None
        try:
            return self._send(self._messages[place])
        except Exception as error:
            # A defect of the provider's code, which must not take the answers of others with it.
            # Where it happened is not known here, so the message may have arrived.
            log.exception("a provider failed", provider=self._name)
            kind = type(error).__name__
            return Reply(outcome=Outcome.UNKNOWN, code=kind, reason="defect", detail=kind)


def provider_words(text: str | bytes, *personal: str) -> str:
    """Make the ``detail`` of a reply: one line, at most 500 characters, no personal data.

    Args:
        text: What the provider said.
        personal: What must not appear, such as the recipient's address.
    """
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for secret in filter(None, personal):
        words = words.replace(secret, "***")
    printable = "".join(letter if letter.isprintable() else " " for letter in words[:4000])
    return PERSONAL_DATA.sub("***", " ".join(printable.split()))[:DETAIL_MAX_CHARACTERS]


def retry_after_seconds(value: str | None, *, now: float) -> float | None:
    """Read a ``Retry-After`` header (RFC 9110, 10.2.3): seconds, or a date.

    Args:
        value: The header as it came; None where there was none.
        now: The present as seconds since 1970.

    Returns:
        Seconds to wait, not negative; None where the header is missing or not understood.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def failure(outcome: Outcome, reason: str, error: Exception, *personal: str) -> Reply:
    """Make the reply for a call that ended in an exception.

    Args:
        outcome: What it came to.
        reason: The word that the notification shows when this ends it.
        error: What was raised; its words are shown without personal data.
        personal: What must not be shown of them, such as the recipient.
    """
    return Reply(
        outcome=outcome,
        code=type(error).__name__,
        reason=reason,
        detail=provider_words(str(error), *personal),
    )
