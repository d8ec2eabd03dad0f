"""The error of a filter whose value does not fit, and what it says about the value."""

from typing import Any

from liquid.undefined import is_undefined


class UnfitValueError(Exception):
    """A value does not fit a filter. The message names its variable, never the value.

    Attributes:
        value: The value.
        problem: What is wrong with it, as the end of a sentence: ``is not a number``.
    """

    def __init__(self, value: Any, problem: str) -> None:
        super().__init__(problem)
        self.value = value
        self.problem = problem


class MissingValueError(UnfitValueError):
    """There is no value. A preview prints nothing for it and lists its variable as missing."""

    def __init__(self, value: Any) -> None:
        super().__init__(value, "is missing")


def is_missing(value: Any) -> bool:
    """Return whether a variable was not given, or is null."""
    return value is None or is_undefined(value)
