"""Names and arguments of everything on the broker, in one place.

A direct exchange leads to three lanes for each channel. Failed work waits on a delay queue, a queue
without consumers whose messages expire back into the lane they came from. What cannot be
worked on at all goes through the dead-letter exchange to ``failed``.
"""

from enum import StrEnum
from functools import cache
from typing import Any

from kombu import Connection, Exchange, Queue

QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
# Dead-lettering that waits for the target's confirm; RabbitMQ wants both arguments together.
AT_LEAST_ONCE: dict[str, Any] = {
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
# Counts prefetched messages too, so a low limit buries innocent ones when a worker is killed.
DELIVERY_LIMIT = 20

EXCHANGE = Exchange("notifications", "direct")
DEAD_LETTER_EXCHANGE = Exchange("notifications.dlx", "direct")
FAILED = Queue("failed", DEAD_LETTER_EXCHANGE, routing_key="failed", queue_arguments=QUORUM)


class Channel(StrEnum):
    """How a user is reached. The API calls it ``notification_type``."""

    EMAIL = "email"
    PUSH = "push"


# The wire names of the tasks, written out so that modules may move.
DELIVER_TASKS = {
    Channel.EMAIL: "notifications.deliver_email",
    Channel.PUSH: "notifications.deliver_push",
}

# Notifications that are claimed and recorded together: consumption is twenty times that of one by
# one.
CHUNK_SIZE = 100
# Ids in one message. One of push has several chunks, so that one is on the wire while others are
# with the database: the wire is done with a hundred in 0.1 s, and the database takes half as long
# again. Mails are slow enough on the wire. The correlation ids of more would not fit into one frame
# of the broker, which their header has to.
MESSAGE_SIZES = {Channel.EMAIL: CHUNK_SIZE, Channel.PUSH: 5 * CHUNK_SIZE}


class Urgency(StrEnum):
    """How a lane stands to the other two of its channel."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"


# The lowest priority of each lane, most urgent first: a million newsletters must not delay a
# password reset.
LANE_SUFFIXES = ((7, ".urgent"), (3, ""), (0, ".bulk"))


@cache
def lane_for(channel: str, priority: int) -> str:
    """Name the lane of a channel that carries this priority (0 to 9, 9 the most urgent)."""
    suffix = next(suffix for lowest, suffix in LANE_SUFFIXES if priority >= lowest)
    return f"{channel}{suffix}"


@cache
def urgency_of(lane: str) -> Urgency:
    """Tell how urgent a lane is."""
    return Urgency(lane.partition(".")[2] or Urgency.NORMAL)


def channel_of(lane: str) -> Channel:
    """Tell the channel of a lane."""
    return Channel(lane.partition(".")[0])


def is_urgent(lane: str) -> bool:
    """Tell whether a lane is the fast one of its channel."""
    return urgency_of(lane) is Urgency.URGENT


def is_bulk(lane: str) -> bool:
    """Tell whether a lane is the slow one of its channel."""
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

# Seconds. The largest is at least the longest backoff that one message covers; what is due
# later is left to the sweep.
DELAYS_SECONDS = (1, 2, 4, 8, 30, 120, 600)


def delay_queue_for(delay_seconds: float) -> int | None:
    """Choose the largest delay queue not past a delay; None when there is nothing to wait for.

    The worker that finds the row not yet due sends it to the next delay queue, so a long delay is
    waited out in several. Less than the first delay queue waits on the first.
    """
    if delay_seconds <= 0:
        return None
    fitting = [seconds for seconds in DELAYS_SECONDS if seconds <= delay_seconds]
    return fitting[-1] if fitting else DELAYS_SECONDS[0]


def delay_queue(seconds: int, *, lane: str) -> Queue:
    """Describe the delay queue of so many seconds as seen from a lane.

    A fanout exchange leads into it, so that the message keeps the lane's routing key and
    expires back into that lane.
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


def declare_all(connection: Connection) -> None:
    """Declare every exchange and queue. Harmless when they exist with the same arguments."""
    with connection.channel() as channel:
        delay_queues = [delay_queue(seconds, lane=DEFAULT_LANE) for seconds in DELAYS_SECONDS]
        for queue in (FAILED, *LANES.values(), *delay_queues):
            queue(channel).declare()


def depths(connection: Connection) -> dict[str, int]:
    """Ask how many messages wait in each lane and in ``failed``.

    Raises:
        Exception: One of the connection's or channel's errors: no broker, or not declared yet.
    """
    connection.ensure_connection(max_retries=1, interval_start=0)
    channel: Any
    with connection.channel() as channel:
        return {
            name: channel.queue_declare(queue=name, passive=True).message_count
            for name in (*LANES, FAILED.name)
        }
