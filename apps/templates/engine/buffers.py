"""What a rendering writes to: charged to the meter of its message."""

import re

from apps.templates.engine.addresses import IGNORED_IN_ADDRESS
from apps.templates.engine.limits import Meter


class Buffer:
    """Collects output and charges it to the message's meter.

    Attributes:
        meter: The message's.
    """

    __slots__ = ("_parts", "meter")

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        """Take a piece of output and return its length.

        Raises:
            ResourceLimitError: The message has become too long.
        """
        length = len(text)
        self.meter.write(length)
        self._parts.append(text)
        return length

    def take(self, text: str) -> int:
        """Take what another buffer of the same message has been charged for."""
        self._parts.append(text)
        return len(text)

    def getvalue(self) -> str:
        """Return all that was written."""
        return "".join(self._parts)


class ValueBuffer(Buffer):
    """Collects one value, and knows what of it the author wrote."""

    __slots__ = ("_outputs",)

    def __init__(self, meter: Meter) -> None:
        super().__init__(meter)
        # The places of the parts that are outputs.
        self._outputs: list[int] = []

    def write(self, text: str) -> int:
        """Take an output.

        Raises:
            ResourceLimitError: The message has become too long.
        """
        self._outputs.append(len(self._parts))
        return super().write(text)

    def take(self, text: str) -> int:
        """Take an output that has been charged for."""
        self._outputs.append(len(self._parts))
        return super().take(text)

    def write_literal(self, text: str) -> int:
        """Take a text of the author.

        Raises:
            ResourceLimitError: The message has become too long.
        """
        return super().write(text)

    def begins_with_something(self) -> bool:
        """Tell whether an output printed something before the first text of the author."""
        for place, part in enumerate(self._parts):
            if place not in self._outputs:
                return False
            if part:
                return True
        return False

    def has_spaces(self) -> bool:
        """Tell whether an output holds white space or control characters."""
        return any(IGNORED_IN_ADDRESS.search(self._parts[place]) for place in self._outputs)

    def replace_outputs(self, first: str) -> None:
        """Put a text in the place of the first output, and nothing in that of the others."""
        for place in self._outputs:
            self._parts[place], first = first, ""

    def change_outputs(self, pattern: re.Pattern[str], put: str) -> None:
        """Replace in all outputs."""
        for place in self._outputs:
            self._change(place, pattern.sub(put, self._parts[place]))

    def strip(self) -> None:
        """Take white space away from both ends of the value, as far as outputs wrote it."""
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
        """Put another text in the place of an output, and charge what it is longer."""
        self.meter.write(max(0, len(text) - len(self._parts[place])))
        self._parts[place] = text
