"""Duration and size of the rounds; the defaults are those of the table in the documentation."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Duration and size of the rounds.

    Attributes:
        rounds: Number of rounds of each contender.
        seconds: Seconds of one round of requests.
        mails: Mails of one round; slow contenders send only a part of them.
        pushes: Push messages of one round.
        offered: Mails per second of the latency row.
        minutes: Duration of the soak test, and of the idle row, in minutes.
        alone: Skip the contenders.
    """

    rounds: int = 3
    seconds: float = 8.0
    mails: int = 20_000
    pushes: int = 10_000
    offered: float = 100.0
    minutes: float = 10.0
    alone: bool = False
