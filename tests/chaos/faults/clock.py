"""The clock of some processes is an hour ahead."""

import time

from tests.chaos.environment import Environment
from tests.chaos.faults.registry import NotPossibleError, fault
from tests.chaos.stack import SCHEDULER, celery, faketime

# The wall clock is moved; the monotonic clock is not.
AHEAD = ("--exclude-monotonic", "-f", "+1h")


@fault(says="the clock of the scheduler and of a worker for mail an hour ahead of all others")
def clock_forward(environment: Environment, seconds: float) -> None:
    """Run the scheduler and the worker of the normal lanes of mail with another clock.

    The push worker is not changed: Google refuses an assertion from the future, and what the worker
    would then postpone by its own clock would be due an hour late for all others. For that reason
    the clock is also set back only after everything is final.

    Raises:
        NotPossibleError: The program faketime is not installed.
    """
    program = faketime()
    if program is None:
        raise NotPossibleError("needs the program faketime (Debian's package of that name)")
    worker = celery("email", "email.bulk", name="email-ahead")
    enter = environment.afterwards.enter_context
    enter(environment.stack.without("scheduler", "email"))
    for command in (SCHEDULER, worker):
        enter(environment.stack.beside(program, *AHEAD, *command))
    time.sleep(seconds)
