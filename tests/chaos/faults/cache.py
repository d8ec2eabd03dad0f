"""Redis is unavailable, or has lost its data."""

import time

from tests.chaos.environment import Environment
from tests.chaos.faults.registry import fault

FLUSH_EVERY_SECONDS = 0.5


@fault(says="Redis killed with -9, and started empty afterwards")
def redis_killed(environment: Environment, seconds: float) -> None:
    """Kill it as a power failure would."""
    environment.redis.kill()
    try:
        time.sleep(seconds)
    finally:
        environment.redis.start()


@fault(says="Redis flushed twice a second", seconds=10)
def redis_flushed(environment: Environment, seconds: float) -> None:
    """Delete limits, breakers and caches repeatedly."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        environment.redis.flush()
        time.sleep(FLUSH_EVERY_SECONDS)
