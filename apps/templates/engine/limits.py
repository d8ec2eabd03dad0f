"""Limits of one rendering, counted in units of work, so that the result is deterministic.

A unit is about a microsecond on a slow core: see ``tests/templates/test_limits.py`` for the
measured worst case.
"""

from collections.abc import Mapping
from typing import Any

from liquid.exceptions import ResourceLimitError
from markupsafe import Markup

# Units of work for all fields of one message together.
WORK_LIMIT = 50_000
# Characters that all fields of one message may write, including captures.
OUTPUT_LIMIT = 1_000_000
# Characters of one value during computation, and items of a list.
VALUE_LIMIT = 100_000
LIST_LIMIT = 10_000
# Larger numbers are neither amounts of money nor counts, and repeated multiplication could make
# them grow without limit.
NUMBER_LIMIT = 10**15
# Weight of all variables together. Every request of 256 kB is below it, unless it consists of tens
# of thousands of numbers.
VARIABLES_LIMIT = 1_000_000
# Characters of one tag or output, with delimiters. The lexer takes quadratic time in this length.
TAG_LENGTH_LIMIT = 1_000
# Tags and outputs of one field. Parsing takes about 20 microseconds for each.
TAGS_LIMIT = 20_000
BLOCK_DEPTH_LIMIT = 16
EXPRESSION_DEPTH_LIMIT = 40

SCALAR_WEIGHT = 8
CONTAINER_WEIGHT = 16
# Each list item has this additional weight, in characters, however short it is.
ITEM_WEIGHT = 12
# Characters that are processed in the time of one unit, in the worst case.
CHARACTERS_PER_UNIT = 32


def weigh(value: Any) -> int:
    """Estimate the size of a value, in characters to process."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | tuple):
        return CONTAINER_WEIGHT + ITEM_WEIGHT * len(value) + sum(map(weigh, value))
    if isinstance(value, dict):
        return CONTAINER_WEIGHT + sum(len(str(key)) + weigh(value[key]) for key in value)
    return SCALAR_WEIGHT


class Meter:
    """A counter of the work and the output of one message. Not shared between messages.

    Attributes:
        refused: The links whose scheme is not allowed, as the author wrote them.
        room: The characters of output that are left.
        work: The units of work that are left.
    """

    __slots__ = ("_weights", "refused", "room", "work")

    def __init__(self) -> None:
        self.work = WORK_LIMIT
        self.room = OUTPUT_LIMIT
        self.refused: list[str] = []
        self._weights: dict[int, tuple[Any, int]] = {}

    def charge(self, units: int) -> None:
        """Charge units of work.

        Raises:
            ResourceLimitError: The work limit is exceeded.
        """
        self.work -= units
        if self.work < 0:
            raise ResourceLimitError("the template does more work than is allowed", token=None)

    def write(self, length: int) -> None:
        """Charge output of ``length`` characters.

        Raises:
            ResourceLimitError: The message has become too long.
        """
        self.room -= length
        if self.room < 0:
            raise ResourceLimitError("the message becomes longer than is allowed", token=None)

    def admit(self, variables: Mapping[str, Any]) -> None:
        """Refuse variables that are larger than a request can contain.

        Raises:
            ResourceLimitError: Their weight is larger than ``VARIABLES_LIMIT``.
        """
        if weigh(dict(variables)) > VARIABLES_LIMIT:
            raise ResourceLimitError("the variables are larger than is allowed", token=None)

    def charge_reading(self, value: Any) -> None:
        """Charge the maximum work of comparing, searching or printing a looked-up value.

        Raises:
            ResourceLimitError: The work limit is exceeded.
        """
        kind = type(value)
        if kind is str or kind is Markup:
            if len(value) >= CHARACTERS_PER_UNIT:
                self.charge(len(value) // CHARACTERS_PER_UNIT)
        elif kind is dict or kind is list or kind is tuple:
            # Weigh each value once. The cache keeps a reference, so that the id stays unique.
            known = self._weights.get(id(value))
            if known is None:
                known = self._weights[id(value)] = (value, weigh(value))
            self.charge(1 + known[1] // CHARACTERS_PER_UNIT)
