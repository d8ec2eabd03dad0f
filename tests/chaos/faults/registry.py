"""The faults by name, in the order in which they are injected."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.scene import Scene

# Does the harm for so many seconds and undoes it, however it is left.
Inject = Callable[[Scene, float], None]
SECONDS = 15.0


class NotPossibleError(Exception):
    """A fault cannot be injected on this machine; the words say what it needs."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        says: What is done, in a line.
        seconds: How long it lasts.
        doubles: Why copies may arrive twice under this fault; empty where none may.
    """

    name: str
    says: str
    inject: Inject
    seconds: float = SECONDS
    doubles: str = ""


FAULTS: dict[str, Fault] = {}


def fault(*, says: str, seconds: float = SECONDS, doubles: str = "") -> Callable[[Inject], Inject]:
    """Register a fault under its function's name."""

    def register(inject: Inject) -> Inject:
        name = inject.__name__.replace("_", "-")
        FAULTS[name] = Fault(name=name, says=says, inject=inject, seconds=seconds, doubles=doubles)
        return inject

    return register
