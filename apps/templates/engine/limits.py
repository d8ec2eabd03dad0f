"""What one rendering may cost, counted in units of work, so that the answer never varies.

A unit is about a microsecond on a slow core: see ``tests/templates/test_limits.py`` for the
measured worst case.
"""

from collections.abc import Mapping
from typing import Any

from liquid.exceptions import ResourceLimitError
from markupsafe import Markup

# The work of all fields of one message together.
WORK_LIMIT = 50_000
# Characters that all fields of one message may write, captures included.
OUTPUT_LIMIT = 1_000_000
# Characters that one value may have while a template computes with it, and items of a list.
VALUE_LIMIT = 100_000
LIST_LIMIT = 10_000
# Beyond this neither money nor counts are meant, and multiplying would grow without end.
NUMBER_LIMIT = 10**15
# The weight of all variables together. Any request of 256 kB stays below it, unless it is made of
# tens of thousands of numbers.
VARIABLES_LIMIT = 1_000_000
# One tag or output, delimiters included. The lexer's expressions are quadratic within it.
TAG_LENGTH_LIMIT = 1_000
# Tags and outputs of one field. Parsing takes about 20 microseconds for each.
TAGS_LIMIT = 20_000
BLOCK_DEPTH_LIMIT = 16
EXPRESSION_DEPTH_LIMIT = 40

SCALAR_WEIGHT = 8
CONTAINER_WEIGHT = 16
# Going to the next item costs as much as some characters, however short the item is.
ITEM_WEIGHT = 12
# Characters handled, at worst, in the time of one unit.
CHARACTERS_PER_UNIT = 32


def weigh(value: Any) -> int:
    """Estimate how much there is to go through in a value, in characters."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | tuple):
        return CONTAINER_WEIGHT + ITEM_WEIGHT * len(value) + sum(map(weigh, value))
    if isinstance(value, dict):
        return CONTAINER_WEIGHT + sum(len(str(key)) + weigh(value[key]) for key in value)
    return SCALAR_WEIGHT


class Meter:
    """Counts the work and the output of one message. Not shared between messages."""

    __slots__ = ("_weights", "room", "work")

    def __init__(self) -> None:
        self.work = WORK_LIMIT
        self.room = OUTPUT_LIMIT
        self._weights: dict[int, tuple[Any, int]] = {}

    def charge(self, units: int) -> None:
        """Spend work.

        Raises:
            ResourceLimitError: There is none left.
        """
        self.work -= units
        if self.work < 0:
            raise ResourceLimitError("the template does more work than is allowed", token=None)

    def write(self, length: int) -> None:
        """Spend output.

        Raises:
            ResourceLimitError: The message has become too long.
        """
        self.room -= length
        if self.room < 0:
            raise ResourceLimitError("the message becomes longer than is allowed", token=None)

    def admit(self, variables: Mapping[str, Any]) -> None:
        """Refuse variables beyond what a request carries.

        Raises:
            ResourceLimitError: They are larger than ``VARIABLES_LIMIT``.
        """
        if weigh(dict(variables)) > VARIABLES_LIMIT:
            raise ResourceLimitError("the variables are larger than is allowed", token=None)

    def charge_reading(self, value: Any) -> None:
        """Spend what it may cost to compare, search or print a value that was looked up."""
        kind = type(value)
        if kind is str or kind is Markup:
            if len(value) >= CHARACTERS_PER_UNIT:
                self.charge(len(value) // CHARACTERS_PER_UNIT)
        elif kind is dict or kind is list or kind is tuple:
            # Each is weighed once. It is kept with its weight, so that its id stays its own.
            known = self._weights.get(id(value))
            if known is None:
                known = self._weights[id(value)] = (value, weigh(value))
            self.charge(1 + known[1] // CHARACTERS_PER_UNIT)
