"""The faults by name, in the order of injection."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from tests.chaos.copies import NO_COPIES, Bound
from tests.chaos.environment import Environment

# Causes the fault for this many seconds and undoes it, even after an exception.
Inject = Callable[[Environment, float], None]
# Prepares the environment before the load begins.
Prepare = Callable[[Environment], AbstractContextManager[object]]
SECONDS = 15.0


class NotPossibleError(Exception):
    """A fault cannot be injected on this machine; the message says what it needs."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault, and everything that it may cause.

    Attributes:
        says: One line that describes what is done.
        seconds: How long it lasts.
        endings: The endings other than delivery that it may cause, as ``status (reason)``.
        copies: The copies that it may cause.
        errors: The errors that callers may get, as ``load`` names them; None for any.
        baseline: Seconds of load before it; None for the default.
        slowdown: Maximum factor by which the p99 of callers may grow; None for no limit.
        counted: Whether all of its processes count what they do in the statistics.
        told: Whether the webhook must be told of all that happens meanwhile.
        prepare: Prepares the environment.
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
    counted: bool = True
    told: bool = True
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
    counted: bool = True,
    told: bool = True,
    prepare: Prepare = nullcontext,
) -> Callable[[Inject], Inject]:
    """Register a fault under the name of its function."""

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
            counted=counted,
            told=told,
            prepare=prepare,
        )
        return inject

    return register
