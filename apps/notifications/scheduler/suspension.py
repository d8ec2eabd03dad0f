"""Detect with the database's clock that the sweeping process itself was suspended."""

from datetime import datetime, timedelta

# A longer interval between two rounds means that the process was suspended. A slow round alone
# stays below: the pause of 0.5 s, one statement that takes nearly all of its 15 s, and twice the
# broker's time limit of 2 s make 19.5 s. A healthy worker always has more than that left of its
# lease (60 s): it renews after 20 s, with a statement of 15 s at most, so 25 s are left. A
# suspension that is too short to be detected therefore ends no lease of a worker that was suspended
# together with the sweep.
SUSPENDED_AFTER = timedelta(seconds=20)
# After a suspension, no expired lease is taken back for this long. A worker that resumed at the
# same moment records within milliseconds, but may have to reopen its database connection first.
CHECK_INTERVAL = timedelta(seconds=5)


class SuspensionDetector:
    """Stores when the last round of one sweeping process was committed.

    The first round counts as a round after a suspension: what happened before is unknown, and when
    a whole machine was suspended, its scheduler may have been restarted on resume. This delays the
    rows of a dead worker by 5 s, once per start.
    """

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._spared_until: datetime | None = None

    def lenient_until(self, now: datetime) -> datetime | None:
        """Return until when expired leases are not taken back.

        Args:
            now: The database's time at which this round read its rows. Only a suspension before
                that moment can have expired a lease that this round sees as expired.

        Returns:
            The end of the grace period; None if expired leases may be taken back now.
        """
        # A clock that was set back counts as a suspension, because the real interval is unknown.
        if self._last is None or abs(now - self._last) > SUSPENDED_AFTER:
            self._spared_until = now + CHECK_INTERVAL
        until = self._spared_until
        return until if until is not None and now < until else None

    def round_succeeded(self, now: datetime) -> None:
        """Store the time of a committed round: the database's time at which it read its rows."""
        self._last = now
