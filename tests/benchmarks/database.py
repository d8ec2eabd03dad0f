"""What PostgreSQL wrote and did meanwhile."""

from collections.abc import Callable

import psycopg

QUERY = """
SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, xact_commit
FROM pg_stat_database WHERE datname = current_database()
"""


def since(url: str) -> Callable[[float], dict[str, float]]:
    """Begin to count; what is returned says what was written for each unit of work since."""
    before = _counted(url)

    def written(units: float) -> dict[str, float]:
        after = _counted(url)
        return {
            "log bytes": (after[0] - before[0]) / units,
            "transactions": (after[1] - before[1]) / units,
        }

    return written


def _counted(url: str) -> tuple[float, float]:
    with psycopg.connect(url, autocommit=True) as database:
        log, commits = database.execute(QUERY).fetchone() or (0, 0)
    return float(log), float(commits)
