"""The machine on which the figures were measured."""

from tests.benchmarks.bench import Bench
from tests.chaos import machine

# Settings that affect the speed and may differ on other machines.
DURABILITY = (
    "PostgreSQL with the defaults of its distribution (fsync and synchronous_commit on, 128 MB of "
    "shared buffers) and commit timestamps on top; RabbitMQ with quorum queues on one node."
)


def described(bench: Bench) -> str:
    """Describe the commit, cores, memory, versions and durability settings."""
    # The function only needs the three servers, and ``Bench`` has them too.
    return f"{machine.described(bench)} {DURABILITY}"
