"""Names and arguments of all exchanges and queues.

A direct exchange routes to three lanes (priority queues) for each channel. A retry waits in a delay
queue: a queue without consumers whose messages expire and return to the lane they came from.
Messages that cannot be processed go through the dead-letter exchange to ``failed``.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import Any

from amqp.exceptions import PreconditionFailed, ResourceLocked
from kombu import Connection, Exchange, Queue

from apps.common.channels import Channel
from apps.webhooks.lane import LANE

# What RabbitMQ says when a declaration does not fit to what exists.
NAMED_IN_REFUSAL = re.compile(r"\b(queue|exchange) '([^']*)' in vhost '([^']*)'")

QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
# Dead-lettering that waits for the target's confirm. RabbitMQ requires both arguments together.
AT_LEAST_ONCE: dict[str, Any] = {
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
# The counter includes prefetched messages, so a low limit would dead-letter unaffected messages
# when a worker is killed.
DELIVERY_LIMIT = 20

EXCHANGE = Exchange("notifications", "direct")
DEAD_LETTER_EXCHANGE = Exchange("notifications.dlx", "direct")
FAILED = Queue("failed", DEAD_LETTER_EXCHANGE, routing_key="failed", queue_arguments=QUORUM)


class NameTakenError(PreconditionFailed):
    """RabbitMQ has an exchange or a queue of one of our names, with other arguments.

    Such a queue is usually a classic one that another program declared in the same virtual host.
    """

    def __str__(self) -> str:
        """Return what is wrong and what to do, in one line."""
        said = " ".join(str(self.reply_text).split())
        named = NAMED_IN_REFUSAL.search(said)
        what = f"{named[1]} {named[2]!r}" if named else "queue or exchange"
        place = f"the virtual host {named[3]!r}" if named else "the virtual host"
        return (
            f"Another program has declared the {what} in {place} in another way, for example as a "
            "classic queue. Use a virtual host for this service alone (BROKER_URL), or move its "
            f"messages to another queue and delete it. RabbitMQ says: {said}"
        )


# The task names in messages, written out so that modules can be moved.
DELIVER_TASKS = {
    Channel.EMAIL: "notifications.deliver_email",
    Channel.PUSH: "notifications.deliver_push",
}

# The number of notifications that are claimed and recorded together. Throughput is 20 times that of
# one by one.
CHUNK_SIZE = 100
# The maximum number of ids in one message. In a message of several chunks, the calls of one chunk
# are in flight while others use the database. The calls of 100 push messages take 0.1 s, and the
# database takes 1.5 times as long. With 300 mails in a message, SendGrid at 50 ms a call got 0.88
# of what a pool of as many threads sends, with 100 it was 0.72; over SMTP there was no difference.
# With more, one of several workers would send a whole burst alone. The header with the correlation
# ids must fit into one broker frame, so no message can be larger than those of push.
MESSAGE_SIZES = {Channel.EMAIL: 3 * CHUNK_SIZE, Channel.PUSH: 5 * CHUNK_SIZE}


class Urgency(StrEnum):
    """The urgency of a lane among the three lanes of its channel."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"


# The lowest priority of each lane, most urgent first: a million newsletters must not delay a
# password reset.
LANE_SUFFIXES = ((7, ".urgent"), (3, ""), (0, ".bulk"))


@cache
def lane_for(channel: str, priority: int) -> str:
    """Return the lane of a channel for this priority (0 to 9, 9 is the most urgent)."""
    suffix = next(suffix for lowest, suffix in LANE_SUFFIXES if priority >= lowest)
    return f"{channel}{suffix}"


@cache
def urgency_of(lane: str) -> Urgency:
    """Return the urgency of a lane."""
    return Urgency(lane.partition(".")[2] or Urgency.NORMAL)


def channel_of(lane: str) -> Channel:
    """Return the channel of a lane."""
    return Channel(lane.partition(".")[0])


def is_urgent(lane: str) -> bool:
    """Return whether a lane is the urgent one of its channel."""
    return urgency_of(lane) is Urgency.URGENT


def is_bulk(lane: str) -> bool:
    """Return whether a lane is the bulk lane of its channel."""
    return urgency_of(lane) is Urgency.BULK


def _lane(name: str) -> Queue:
    return Queue(
        name,
        EXCHANGE,
        routing_key=name,
        queue_arguments={
            **QUORUM,
            **AT_LEAST_ONCE,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE.name,
            "x-dead-letter-routing-key": FAILED.routing_key,
        },
    )


LANES = {
    f"{channel}{suffix}": _lane(f"{channel}{suffix}")
    for channel in Channel
    for _, suffix in LANE_SUFFIXES
}
DEFAULT_LANE = Channel.EMAIL.value
# Wake-ups of the webhooks: see ``apps.webhooks.waker``.
WEBHOOKS = _lane(LANE)
# What workers consume.
WORKER_QUEUES = (*LANES, WEBHOOKS.name)
# What pages and metrics show; messages in the delay queues belong to one of these.
SHOWN_QUEUES = (*WORKER_QUEUES, FAILED.name)

# The delay queues in seconds. The largest is at least the longest backoff that one message covers.
# The sweep handles rows that are due later.
DELAYS_SECONDS = (1, 2, 4, 8, 30, 120, 600)


def delay_queue_for(delay_seconds: float) -> int | None:
    """Choose the largest delay queue that does not exceed a delay; None for no delay.

    A worker that finds the row not due yet requeues it on the next delay queue, so a long delay
    uses several queues. A delay shorter than the first delay queue uses the first one.
    """
    if delay_seconds <= 0:
        return None
    fitting = [seconds for seconds in DELAYS_SECONDS if seconds <= delay_seconds]
    return fitting[-1] if fitting else DELAYS_SECONDS[0]


def delay_queue(seconds: int, *, lane: str) -> Queue:
    """Return the delay queue of ``seconds`` for messages of a lane.

    It is bound to a fanout exchange, so that the message keeps the lane's routing key and returns
    to that lane when it expires.
    """
    name = f"notifications.retry.{seconds}"
    return Queue(
        name,
        Exchange(name, "fanout"),
        routing_key=lane,
        queue_arguments={
            **QUORUM,
            **AT_LEAST_ONCE,
            "x-message-ttl": seconds * 1000,
            "x-dead-letter-exchange": EXCHANGE.name,
        },
    )


def all_queues() -> list[Queue]:
    """Return every queue of this service."""
    delay_queues = [delay_queue(seconds, lane=DEFAULT_LANE) for seconds in DELAYS_SECONDS]
    return [FAILED, *LANES.values(), WEBHOOKS, *delay_queues]


def declare_all(connection: Connection) -> None:
    """Declare all exchanges and queues. Does nothing if they exist with the same arguments.

    Raises:
        NameTakenError: One of the names is taken by an exchange or a queue of another kind.
    """
    declare(connection, all_queues())


def declare(connection: Connection, queues: Iterable[Queue]) -> None:
    """Declare some queues and their exchanges.

    Raises:
        NameTakenError: One of the names is taken by an exchange or a queue of another kind.
    """
    try:
        with connection.channel() as channel:
            for queue in queues:
                queue(channel).declare()
    except (PreconditionFailed, ResourceLocked) as error:
        raise NameTakenError(str(error.reply_text), error.method_sig) from error


def depths(connection: Connection) -> dict[str, int]:
    """Return the number of messages in each lane, in ``webhooks`` and in ``failed``.

    Raises:
        Exception: A connection or channel error: the broker is unavailable, or a queue is not
            declared yet.
    """
    connection.ensure_connection(max_retries=1, interval_start=0)
    channel: Any
    with connection.channel() as channel:
        return {
            name: channel.queue_declare(queue=name, passive=True).message_count
            for name in SHOWN_QUEUES
        }
