"""Output buffers for rendering, which charge the meter of the message."""

import re

from apps.templates.engine.addresses import IGNORED_IN_ADDRESS
from apps.templates.engine.limits import Meter


class Buffer:
    """Collect output and charge it to the meter of the message.

    Attributes:
        meter: The meter of the message.
    """

    __slots__ = ("_parts", "meter")

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        """Add a piece of output and return its length.

        Raises:
            ResourceLimitError: The message has become too long.
        """
        length = len(text)
        self.meter.write(length)
        self._parts.append(text)
        return length

    def take(self, text: str) -> int:
        """Add output that another buffer of the same message has already been charged for."""
        self._parts.append(text)
        return len(text)

    def getvalue(self) -> str:
        """Return the whole output."""
        return "".join(self._parts)


class ValueBuffer(Buffer):
    """Collect one attribute value; distinguish outputs from literal text of the author."""

    __slots__ = ("_outputs",)

    def __init__(self, meter: Meter) -> None:
        super().__init__(meter)
        # The indexes of the parts that are outputs.
        self._outputs: list[int] = []

    def write(self, text: str) -> int:
        """Add an output.

        Raises:
            ResourceLimitError: The message has become too long.
        """
        self._outputs.append(len(self._parts))
        return super().write(text)

    def take(self, text: str) -> int:
        """Add an output that has already been charged."""
        self._outputs.append(len(self._parts))
        return super().take(text)

    def write_literal(self, text: str) -> int:
        """Add literal text of the author.

        Raises:
            ResourceLimitError: The message has become too long.
        """
        return super().write(text)

    def begins_with_something(self) -> bool:
        """Return whether the value begins with a non-empty output, before any literal text."""
        for place, part in enumerate(self._parts):
            if place not in self._outputs:
                return False
            if part:
                return True
        return False

    def has_spaces(self) -> bool:
        """Return whether an output contains white space or control characters."""
        return any(IGNORED_IN_ADDRESS.search(self._parts[place]) for place in self._outputs)

    def replace_outputs(self, first: str) -> None:
        """Replace the first output by a text, and the other outputs by empty text."""
        for place in self._outputs:
            self._parts[place], first = first, ""

    def change_outputs(self, pattern: re.Pattern[str], put: str) -> None:
        """Replace a pattern in all outputs."""
        for place in self._outputs:
            self._change(place, pattern.sub(put, self._parts[place]))

    def strip(self) -> None:
        """Remove white space at both ends of the value, if it comes from outputs."""
        for place in range(len(self._parts)):
            if place not in self._outputs or not self._strip_start(place):
                break
        for place in reversed(range(len(self._parts))):
            if place not in self._outputs:
                break
            self._parts[place] = self._parts[place].rstrip()
            if self._parts[place]:
                break

    def _strip_start(self, place: int) -> bool:
        self._parts[place] = self._parts[place].lstrip()
        return not self._parts[place]

    def _change(self, place: int, text: str) -> None:
        """Replace the text of an output, and charge the additional length."""
        self.meter.write(max(0, len(text) - len(self._parts[place])))
        self._parts[place] = text
