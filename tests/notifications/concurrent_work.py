"""Run work concurrently over a second PostgreSQL connection."""

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

PATIENCE_SECONDS = 30


class ConcurrentWork:
    """Runs a callable in a thread with a database connection of its own."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._error: Exception | None = None
        self._value: Any = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._work()
        except Exception as error:  # noqa: BLE001 - ``result`` raises it again.
            self._error = error
        finally:
            connection.close()

    def result(self) -> Any:
        """Wait until the thread has ended; return its result or raise its exception."""
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "still waiting, for a lock for instance"
        if self._error is not None:
            raise self._error
        return self._value


def wait_until_blocked(count: int) -> None:
    """Wait until at least ``count`` sessions of this database wait for a lock."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _blocked() < count:
        assert time.monotonic() < deadline, "nobody waits for a lock"
        time.sleep(0.01)


def _blocked() -> int:
    with connection.cursor() as cursor:
        # Within a transaction PostgreSQL caches pg_stat_activity after the first read.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])
