"""Callers do what keeps a server busy."""

import time
from contextlib import ExitStack

from tests.chaos.faults.registry import fault
from tests.chaos.scene import Scene
from tests.journeys.half_sent import TOO_LATE, HalfSent

# More than the threads of all web processes.
CONNECTIONS = 300
# A body is given 10 s, and what is answered then has a quiet machine or a busy one to go through.
ANSWER_SECONDS = 30.0


@fault(
    says=f"{CONNECTIONS} connections of strangers send seven bytes of a body and wait, each opened "
    "again when it is answered",
    seconds=25,
    baseline=20,
    errors=frozenset(),
    slowdown=2,
)
def half_bodies(scene: Scene, seconds: float) -> None:
    """Hold as many connections open, and see that each is answered with 408.

    Raises:
        AssertionError: One was answered otherwise, or not at all.
    """
    with ExitStack() as opened:
        half_sent = HalfSent(scene.stack.port, opened)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while half_sent.waiting < CONNECTIONS:
                half_sent.begin()
            half_sent.take_answers(within=0.1)
        end = time.monotonic() + ANSWER_SECONDS
        while half_sent.waiting and time.monotonic() < end:
            half_sent.take_answers(within=0.1)
        others = {answer for answer in half_sent.answers if answer != TOO_LATE}
        assert not others, f"answered with {others}"
        assert not half_sent.waiting, f"{half_sent.waiting} connections had no answer"
