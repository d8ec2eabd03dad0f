"""Redis is away, or has forgotten everything."""

import time

from tests.chaos.faults.registry import fault
from tests.chaos.scene import Scene

FLUSH_EVERY_SECONDS = 0.5


@fault(says="Redis killed with -9, and started empty afterwards")
def redis_killed(scene: Scene, seconds: float) -> None:
    """End it as a power cut would."""
    scene.redis.kill()
    try:
        time.sleep(seconds)
    finally:
        scene.redis.start()


@fault(says="Redis flushed twice a second", seconds=10)
def redis_flushed(scene: Scene, seconds: float) -> None:
    """Have it forget limits, breakers and caches."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        scene.redis.flush()
        time.sleep(FLUSH_EVERY_SECONDS)
