"""Redis is unavailable, or has lost its data."""

import time

from tests.chaos.faults.registry import fault
from tests.chaos.scene import Scene

FLUSH_EVERY_SECONDS = 0.5


@fault(says="Redis killed with -9, and started empty afterwards")
def redis_killed(scene: Scene, seconds: float) -> None:
    """Kill it as a power failure would."""
    scene.redis.kill()
    try:
        time.sleep(seconds)
    finally:
        scene.redis.start()


@fault(says="Redis flushed twice a second", seconds=10)
def redis_flushed(scene: Scene, seconds: float) -> None:
    """Delete limits, breakers and caches repeatedly."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        scene.redis.flush()
        time.sleep(FLUSH_EVERY_SECONDS)
