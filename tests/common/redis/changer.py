"""Change one shared value with many threads: ``python -m tests.common.redis.changer NAME``."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import django

from apps.common.redis.shared_state import SharedState, StateType

THREADS, CHANGES = 24, 50


@dataclass(frozen=True, kw_only=True)
class Count:
    number: int = 0


COUNTS = StateType(prefix="notifications:test:", read=Count, forgotten_seconds=60)


def add_one(count: Count) -> Count:
    return replace(count, number=count.number + 1)


def change(name: str) -> None:
    """Add one ``THREADS * CHANGES`` times."""
    store = SharedState(COUNTS, consequence="no Redis")
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(lambda _: store.update(name, add_one), range(THREADS * CHANGES)):
            pass


if __name__ == "__main__":
    django.setup()
    change(sys.argv[1])
