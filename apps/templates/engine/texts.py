"""How a value is written: a list as its items, an object as JSON, null as nothing."""

import json
from typing import Any, TextIO

from liquid import Markup, RenderContext
from liquid.builtin import output
from liquid.stringify import to_liquid_string


def text_of(value: Any, *, autoescape: bool) -> str:
    """Return the text of a value.

    The library writes Python's own form of an object, such as ``{'a': None}``.

    Args:
        value: The value of an expression.
        autoescape: Whether it is escaped for HTML.
    """
    if isinstance(value, dict):
        return to_liquid_string(json_of(value), autoescape)
    if isinstance(value, list | tuple):
        joined = "".join(text_of(item, autoescape=autoescape) for item in value)
        return Markup(joined) if autoescape else joined
    return to_liquid_string(value, autoescape)


def json_of(value: Any) -> str:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


class OutputNode(output.OutputNode):
    """An output."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write the value.

        Raises:
            ResourceLimitError: The message has become too long.
        """
        value = self.expression.evaluate(context)
        return buffer.write(text_of(value, autoescape=context.autoescape))


class Output(output.Output):
    """The pseudo tag of outputs."""

    node_class = OutputNode
