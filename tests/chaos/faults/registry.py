"""The faults by name, in the order in which they are injected."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from tests.chaos.copies import NO_COPIES, Bound
from tests.chaos.scene import Scene

# Does the harm for so many seconds and undoes it, however it is left.
Inject = Callable[[Scene, float], None]
# Sets the scene before the load begins.
Prepare = Callable[[Scene], AbstractContextManager[object]]
SECONDS = 15.0


class NotPossibleError(Exception):
    """A fault cannot be injected on this machine; the words say what it needs."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong, and all that may come of it.

    Attributes:
        says: What is done, in a line.
        seconds: How long it lasts.
        endings: The endings other than delivery that it may cause, as ``status (reason)``.
        copies: The copies that it may cause.
        errors: The errors that callers may meet, as ``load`` names them; None for any.
        baseline: Seconds of load before it; None for the usual.
        slowdown: How many times its value the p99 of callers may become; None for any.
        prepare: Sets the scene.
    """

    name: str
    says: str
    inject: Inject
    seconds: float = SECONDS
    endings: frozenset[str] = frozenset()
    copies: Bound = NO_COPIES
    errors: frozenset[str] | None = None
    baseline: float | None = None
    slowdown: float | None = None
    prepare: Prepare = nullcontext


FAULTS: dict[str, Fault] = {}


def fault(
    *,
    says: str,
    seconds: float = SECONDS,
    endings: frozenset[str] = frozenset(),
    copies: Bound = NO_COPIES,
    errors: frozenset[str] | None = None,
    baseline: float | None = None,
    slowdown: float | None = None,
    prepare: Prepare = nullcontext,
) -> Callable[[Inject], Inject]:
    """Register a fault under its function's name."""

    def register(inject: Inject) -> Inject:
        name = inject.__name__.replace("_", "-")
        FAULTS[name] = Fault(
            name=name,
            says=says,
            inject=inject,
            seconds=seconds,
            endings=endings,
            copies=copies,
            errors=errors,
            baseline=baseline,
            slowdown=slowdown,
            prepare=prepare,
        )
        return inject

    return register
