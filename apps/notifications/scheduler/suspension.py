"""Detects that the sweeping process itself was suspended, by the database's clock."""

from datetime import datetime, timedelta

# Rounds further apart than this had a suspension between them. A slow round alone stays below: the
# pause of 0.5 s, one statement that takes nearly all of its 15 s, and twice the broker's time limit
# of 2 s make 19.5 s. A healthy worker always has more than that left of its lease (60 s): it renews
# after 20 s, by a statement of 15 s at most, so 25 s are left. A suspension too short to be noticed
# therefore ends no lease of a worker that was suspended together with the sweep.
SLEPT_AFTER = timedelta(seconds=20)
# For this long nobody's rows are taken back after a stop. A worker that was continued at the same
# moment records within milliseconds; its database connection may have to be opened anew before.
BEAT = timedelta(seconds=5)


class Wakefulness:
    """Remembers when the last round of one sweeping process was committed.

    The first round counts as one after a stop: what happened before it is not known, and a machine
    that was frozen as a whole may have had its scheduler started anew when it was continued. That
    costs the rows of a dead worker five seconds, once for each start.
    """

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._spared_until: datetime | None = None

    def spared_until(self, now: datetime) -> datetime | None:
        """Say until when rows are left to their holders although their leases have ended.

        Args:
            now: The database's time at which this round read its rows. Only a stop before that
                moment can have made a lease end that this round sees as ended.

        Returns:
            None where leases are to be taken at their word.
        """
        # A clock that was set back is a stop as well: it says nothing about what happened.
        if self._last is None or abs(now - self._last) > SLEPT_AFTER:
            self._spared_until = now + BEAT
        until = self._spared_until
        return until if until is not None and now < until else None

    def round_succeeded(self, now: datetime) -> None:
        """Note the database's time at which a round read its rows, once it has been committed."""
        self._last = now
