"""What the figures were measured on."""

from tests.benchmarks.bench import Bench
from tests.chaos import machine

# What decides about speed and might be otherwise elsewhere.
DURABILITY = (
    "PostgreSQL with the defaults of its distribution (fsync and synchronous_commit on, 128 MB of "
    "shared buffers) and commit timestamps on top; RabbitMQ with quorum queues on one node."
)


def described(bench: Bench) -> str:
    """Name the commit, the cores, the memory, the versions and the durability."""
    # Both have the three servers, which is all that is asked of it.
    return f"{machine.described(bench)} {DURABILITY}"
