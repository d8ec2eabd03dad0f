"""PostgreSQL is restarted, crashes, or is silent. While it is away nothing can be accepted."""

import time

from tests.chaos.faults.registry import fault
from tests.chaos.scene import Scene

AWAY_SECONDS = 2.0
UNRECORDED = "PostgreSQL went away between the provider's acceptance and the record of it"


@fault(says="PostgreSQL restarted, then killed with -9 and recovered", doubles=UNRECORDED)
def postgresql_restarted(scene: Scene, seconds: float) -> None:
    """Restart it as an operator would, and then as a power cut would."""
    for away in (scene.postgresql.stop, scene.postgresql.kill):
        away()
        try:
            time.sleep(AWAY_SECONDS)
        finally:
            scene.postgresql.start()
        time.sleep(max(0.0, seconds / 2 - AWAY_SECONDS))


@fault(
    says="PostgreSQL frozen (SIGSTOP, every process)",
    seconds=12,
    doubles=UNRECORDED,
)
def postgresql_frozen(scene: Scene, seconds: float) -> None:
    """Let it answer nothing and close nothing."""
    scene.postgresql.freeze()
    try:
        time.sleep(seconds)
    finally:
        scene.postgresql.thaw()
