"""What the rows say, read directly from the database."""

from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from tests.chaos.ledger import Row

CONNECT_SECONDS = 5
# While a row has a ``wake_at``, a worker, the sweep or the recorder still has to handle it.
UNFINISHED = """
    SELECT count(*) FROM notifications_notification
    WHERE wake_at IS NOT NULL AND created_at >= %s AND created_at < %s
"""
ROWS = """
    SELECT n.id::text, coalesce(n.request_id, ''), n.status, n.reason,
           coalesce(n.replay_of::text, ''), coalesce(letter.state, ''),
           coalesce(extract(epoch FROM pg_xact_commit_timestamp(n.xmin)), 0)::float8
    FROM notifications_notification n
    LEFT JOIN notifications_deadletter letter ON letter.notification_id = n.id
    WHERE n.created_at >= %s
"""
OPEN_LETTERS = "SELECT count(*) FROM notifications_deadletter WHERE state = 'open'"


@dataclass(frozen=True, kw_only=True)
class DatabaseReader:
    """Reads the rows; the database must be reachable."""

    url: str

    def unfinished(self, *, since: float, before: float) -> int:
        """Count rows accepted between two times (Unix seconds) that are not settled."""
        moments = [datetime.fromtimestamp(moment, UTC) for moment in (since, before)]
        with psycopg.connect(self.url, connect_timeout=CONNECT_SECONDS) as connection:
            found = connection.execute(UNFINISHED, moments).fetchone()
        return int(found[0]) if found else 0

    def open_letters(self) -> int:
        """Count the open dead letters."""
        with psycopg.connect(self.url, connect_timeout=CONNECT_SECONDS) as connection:
            found = connection.execute(OPEN_LETTERS).fetchone()
        return int(found[0]) if found else 0

    def rows(self, *, since: float) -> list[Row]:
        """Read every notification that was stored since a time (Unix seconds)."""
        moment = datetime.fromtimestamp(since, UTC)
        with psycopg.connect(self.url, connect_timeout=CONNECT_SECONDS) as connection:
            found = connection.execute(ROWS, [moment]).fetchall()
        return [
            Row(
                id=pk,
                ref=ref,
                status=status,
                reason=reason,
                replay_of=replay_of,
                letter=letter,
                recorded_at=recorded_at,
            )
            for pk, ref, status, reason, replay_of, letter, recorded_at in found
        ]
