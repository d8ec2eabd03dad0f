"""The base class of providers. A provider sends one composed message and returns its outcome."""

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
# An e-mail address, or 100 and more characters without a break, such as a device token: those of
# FCM have at least 140.
PERSONAL_DATA = re.compile(r"[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']+|[\w:%+/=-]{100,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """The reply to one provider call.

    Attributes:
        outcome: The outcome of the call.
        code: The provider's own code, such as ``550 5.1.1`` or ``UNREGISTERED``.
        detail: The provider's text, cut to 500 characters, without personal data.
        reason: The reason that the notification gets if this reply ends it, such as
            ``unregistered``; by default the name of the outcome.
        provider_message_id: The provider's id of the message, if it returns one.
        retry_after: Seconds to wait before a retry, as the provider requests or the protocol says.
        pause_seconds: Seconds for which the provider accepts no calls at all, for any message.
        duration_ms: The duration of the call.
        delivered: Whether the provider confirms that the message has arrived.
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
        message_id: The Message-ID with its angle brackets, derived from the notification id, so
            that a second copy can be recognised.
        headers: Further headers, such as List-Unsubscribe and X-Correlation-ID.
        sensitive: Whether the content is secret, so that a provider must not store a copy.
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
        image: The URL of an image to show.
        link: The URL that a tap opens.
        data: Additional data for the app. The provider adds the ids and the receipt.
        receipt: What the app sends back when the push has arrived. It is left out of a push that
            would be too large with it.
        ttl_seconds: How long the provider may store it for an offline device; None for the
            provider's default.
        sound: The sound's name; empty for the default one, ``none`` for none.
        badge: The number at the app's icon; None leaves it as it is.
        channel_id: The notification channel of Android; empty for the app's default.
        silent: Whether nothing is shown, and only the data is delivered to the app.
        collapse_id: A later message with the same id replaces this one; empty for the
            notification's id.
        at_once: Whether it may wake a sleeping device.
        sensitive: As for a mail.
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
    receipt: str = ""
    ttl_seconds: int | None = None
    sound: str = ""
    badge: int | None = None
    channel_id: str = ""
    silent: bool = False
    collapse_id: str = ""
    at_once: bool = True
    sensitive: bool = False


Message = TypeVar("Message", Mail, Push)


class Provider(ABC, Generic[Message]):
    """Base class of all providers. A process has one instance; ``send`` runs in several threads.

    Subclasses define ``name``, ``channel`` and ``send``. They extend ``close`` if they keep
    connections, set ``threads`` to the number of concurrent calls, and override ``check`` if the
    provider has a call that sends nothing. They need not override ``send_all`` and ``send_parts``.
    All constructor arguments must be optional.
    """

    name: ClassVar[str]
    channel: ClassVar[str]
    threads: ClassVar[int] = 8

    def __init__(self) -> None:
        # One pool by urgency, so that an urgent message never waits for threads of other messages.
        self._pools: dict[bool, ThreadPoolExecutor] = {}
        self._pool_lock = threading.Lock()

    @abstractmethod
    def send(self, message: Message) -> Reply:
        """Make one provider call. It must not raise for network errors, and not use the ORM."""

    def check(self) -> Reply | None:
        """Test connection and credentials without sending a message, when staff ask for it.

        As ``send``, it must not raise for network errors.

        Returns:
            The provider's answer, ``ACCEPTED`` if a message could be sent; None if there is no call
            to test it with.
        """
        return None

    def close(self) -> None:
        """Close threads and connections. They are reopened on the next use.

        It must not be called while calls are in flight.
        """
        with self._pool_lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.shutdown(wait=True)

    def send_all(self, messages: Sequence[Message], *, until: float) -> list[Reply | None]:
        """Send a chunk concurrently, and return the replies in the order of the messages.

        Args:
            messages: The messages to send.
            until: ``time.monotonic()`` after which no further call is started. The reply of a call
                that was not started is None.
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
        """Send a chunk concurrently, and yield replies while other calls are still in flight.

        The calls start here and not when the first replies are read, so that the next chunk can be
        prepared while these calls are in flight. No call runs in the calling thread, which has to
        renew the lease of its rows. Chunks share the threads, and the earlier chunk is served
        first.

        Args:
            messages: The messages to send.
            until: As for ``send_all``.
            seconds: How long to collect replies for one part; None means until the last one.
            urgent: Use threads that only urgent chunks use. If one process serves all lanes, an
                urgent message then does not wait for slow replies to others.

        Returns:
            An iterator over replies by the index of their message, each reply once. A part is
            empty if no reply was received in ``seconds``.
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
    """The calls of one chunk, made by several worker threads for one waiting thread.

    Each worker thread takes one message after the other, and the waiting thread is woken when all
    calls have ended. One future per message cost a tenth of the call.
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
        # A range iterator, a counter and a deque need no lock, because each operation on them is
        # atomic in the interpreter.
        self._places = iter(range(len(messages)))
        self._ended = count(1)
        self._answers: deque[tuple[int, Reply | None]] = deque()
        self._all_ended = threading.Event()

    def make(self) -> None:
        """Make calls until no message is left."""
        for place in self._places:
            self._answers.append((place, self._call(place)))
            if next(self._ended) == len(self._messages):
                self._all_ended.set()

    def answers(self, seconds: float | None) -> Iterator[dict[int, Reply | None]]:
        """Yield the replies when all are complete, and the available ones at each interval."""
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
            # A defect in the provider's code must not affect the replies to other messages. It is
            # unknown whether the call was made before the error, so the message may have arrived.
            log.exception("a provider failed", provider=self._name)
            kind = type(error).__name__
            return Reply(outcome=Outcome.UNKNOWN, code=kind, reason="defect", detail=kind)


def provider_words(text: str | bytes, *personal: str) -> str:
    """Build the ``detail`` of a reply: one line, at most 500 characters, no personal data.

    Args:
        text: The provider's text.
        personal: Values that must not appear, such as the recipient's address.
    """
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for secret in filter(None, personal):
        words = words.replace(secret, "***")
    printable = "".join(letter if letter.isprintable() else " " for letter in words[:4000])
    return PERSONAL_DATA.sub("***", " ".join(printable.split()))[:DETAIL_MAX_CHARACTERS]


def retry_after_seconds(value: str | None, *, now: float) -> float | None:
    """Parse a ``Retry-After`` header (RFC 9110, 10.2.3): seconds, or a date.

    Args:
        value: The header's value; None if it is missing.
        now: The current time in Unix seconds.

    Returns:
        Seconds to wait, not negative; None if the header is missing or invalid.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def failure(outcome: Outcome, reason: str, error: Exception, *personal: str) -> Reply:
    """Build the reply for a call that ended with an exception.

    Args:
        outcome: The outcome of the call.
        reason: The reason that the notification gets if this reply ends it.
        error: The exception. Its text is used without personal data.
        personal: Values that must not appear, such as the recipient.
    """
    return Reply(
        outcome=outcome,
        code=type(error).__name__,
        reason=reason,
        detail=provider_words(str(error), *personal),
    )
