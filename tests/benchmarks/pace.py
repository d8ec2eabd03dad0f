"""How long and how much: the defaults are those of the table in the documents."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long and how much.

    Attributes:
        rounds: How often each contender runs.
        seconds: Seconds of a round of requests.
        mails: Mails of a round; contenders that take long send a part of it.
        pushes: Push messages of a round.
        offered: Mails a second of the latency row.
        minutes: Minutes of the soak.
        alone: Leave the contenders out.
    """

    rounds: int = 3
    seconds: float = 8.0
    mails: int = 20_000
    pushes: int = 10_000
    offered: float = 100.0
    minutes: float = 10.0
    alone: bool = False
