"""Clients that try to keep the server busy."""

import time
from contextlib import ExitStack

from tests.chaos.environment import Environment
from tests.chaos.faults.registry import fault
from tests.journeys.half_sent import TOO_LATE, HalfSent

# More than the threads of all web processes.
CONNECTIONS = 300
# A body has a time limit of 10 s; the answer may take longer on a busy machine.
ANSWER_SECONDS = 30.0


@fault(
    says=f"{CONNECTIONS} connections of strangers send seven bytes of a body and wait, each opened "
    "again when it is answered",
    seconds=25,
    baseline=20,
    errors=frozenset(),
    slowdown=2,
)
def half_bodies(environment: Environment, seconds: float) -> None:
    """Keep this many connections open, and check that each is answered with 408.

    Raises:
        AssertionError: A connection got another answer, or none.
    """
    with ExitStack() as opened:
        half_sent = HalfSent(environment.stack.port, opened)
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
