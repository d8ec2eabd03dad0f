"""A machine's clock is an hour ahead."""

import time

from tests.chaos.faults.registry import NotPossibleError, fault
from tests.chaos.scene import Scene
from tests.chaos.stack import SCHEDULER, celery, faketime

# The wall clock moves; what counts seconds since the start does not.
AHEAD = ("--exclude-monotonic", "-f", "+1h")


@fault(says="the clock of the scheduler and of a worker for mail an hour ahead of all others")
def clock_forward(scene: Scene, seconds: float) -> None:
    """Run the scheduler and the worker of the normal lanes of mail with another clock.

    The worker for push is left alone: Google refuses an assertion from the future, and what it
    would then put off by its own clock is due an hour late by everybody else's. For the same reason
    nobody sets the clock back before everything has ended.

    Raises:
        NotPossibleError: The program that does this is not here.
    """
    program = faketime()
    if program is None:
        raise NotPossibleError("needs the program faketime (Debian's package of that name)")
    worker = celery("email", "email.bulk", name="email-ahead")
    enter = scene.afterwards.enter_context
    enter(scene.stack.without("scheduler", "email"))
    for command in (SCHEDULER, worker):
        enter(scene.stack.beside(program, *AHEAD, *command))
    time.sleep(seconds)
