"""Duration and size of the rounds; the defaults are those of the table in the documentation."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Duration and size of the rounds.

    Attributes:
        rounds: Number of rounds of each contender.
        turns: Number of turns of each contender in one round of requests.
        delivery_turns: The same in one round of deliveries. Fewer, because workers and senders need
            a part of a second until all of their processes work.
        seconds: Seconds of one round of requests.
        bulk_rows: Rows of bulk calls of one round.
        mails: Mails of one round; slow contenders send only a part of them.
        pushes: Push messages of one round.
        calls: Mails over SendGrid of one round.
        webhooks: Events to a webhook of one round.
        uploaded: Rows of the uploaded file.
        purged: Old rows of the retention row; half as many are kept.
        offered: Mails per second of the latency row.
        minutes: Duration of the soak test, and of the idle row, in minutes.
        alone: Skip the contenders.
        stored: Notifications that are stored before the lists are asked; 0 for the default.
        crowd: Users that are stored before the lists are asked.
    """

    rounds: int = 5
    turns: int = 4
    delivery_turns: int = 2
    seconds: float = 8.0
    bulk_rows: int = 40_000
    mails: int = 20_000
    # Turns of 20 chunks of 500, and of 40 of 100: one chunk more for a process changes little.
    pushes: int = 20_000
    calls: int = 8_000
    webhooks: int = 20_000
    uploaded: int = 1_000_000
    purged: int = 1_000_000
    offered: float = 100.0
    minutes: float = 10.0
    alone: bool = False
    stored: int = 0
    crowd: int = 1_000_000

    @property
    def turn_seconds(self) -> float:
        """Seconds of one turn of requests; wrk counts in whole seconds."""
        return max(1.0, self.seconds // self.turns)

    @property
    def turn_rows(self) -> int:
        """Rows of bulk calls of one turn."""
        return max(1, self.bulk_rows // self.turns)

    @property
    def turn_mails(self) -> int:
        """Mails of one turn."""
        return max(1, self.mails // self.delivery_turns)

    @property
    def turn_pushes(self) -> int:
        """Push messages of one turn."""
        return max(1, self.pushes // self.delivery_turns)

    @property
    def turn_webhooks(self) -> int:
        """Events to a webhook of one turn."""
        return max(1, self.webhooks // self.delivery_turns)

    @property
    def turn_calls(self) -> int:
        """Mails over SendGrid of one turn."""
        return max(1, self.calls // self.delivery_turns)
