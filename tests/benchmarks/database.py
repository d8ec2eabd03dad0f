"""Log bytes and transactions of PostgreSQL during a round."""

from collections.abc import Callable

import psycopg

QUERY = """
SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, xact_commit
FROM pg_stat_database WHERE datname = current_database()
"""


def since(url: str) -> Callable[[], dict[str, float]]:
    """Start to count; the returned function returns the figures since then."""
    before = _counted(url)

    def written() -> dict[str, float]:
        after = _counted(url)
        return {"log bytes": after[0] - before[0], "transactions": after[1] - before[1]}

    return written


def _counted(url: str) -> tuple[float, float]:
    with psycopg.connect(url, autocommit=True) as database:
        log, commits = database.execute(QUERY).fetchone() or (0, 0)
    return float(log), float(commits)
