"""Nodes that write outputs in tags so that no variable makes a link, an attribute or a script."""

import re
from typing import TextIO, cast

from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.output import OutputNode
from liquid.stringify import to_liquid_string

from apps.templates.engine.addresses import IGNORED_IN_ADDRESS, is_harmless, is_plainly_good
from apps.templates.engine.buffers import Buffer, ValueBuffer
from apps.templates.engine.html_tokenizer import values
from apps.templates.engine.limits import CHARACTERS_PER_UNIT
from apps.templates.engine.places import ValueKind

# What an output may be where it is part of a name.
NOT_IN_A_NAME = re.compile(r"[^0-9A-Za-z_-]+")
# Ends a value without quotes, and is no white space in itself.
A_SPACE = "&#32;"
# What an address is that may not stand there: a link to nowhere.
NOWHERE = "#"
# Judging a value that is not a plain https address takes some 8 microseconds.
COST_OF_A_VALUE = 8
LINKS = frozenset({ValueKind.ADDRESS, ValueKind.ADDRESSES, ValueKind.REFRESH})


def _instead(kind: ValueKind) -> str:
    """Return what stands for the outputs of a bad value."""
    return NOWHERE if kind in LINKS else ""


class LiteralNode(ContentNode):
    """Text of the author inside of a value."""

    __slots__ = ()

    def render_to_output(self, _: RenderContext, buffer: TextIO) -> int:
        """Write the text as what it is."""
        if isinstance(buffer, ValueBuffer):
            return buffer.write_literal(self.text)
        return buffer.write(self.text)


class AddressNode(Node):
    """The whole value of an attribute: if it is bad, a ``#`` stands for its outputs.

    Escaping does not disarm ``javascript:``. One bad value does not stop the whole message.

    Attributes:
        kind: What the value is taken for.
        unquoted: Whether white space would end it, and nothing at all would be no value.
    """

    __slots__ = ("alone", "kind", "nodes", "unquoted")

    def __init__(self, nodes: list[Node], *, kind: ValueKind, unquoted: bool) -> None:
        super().__init__(nodes[0].token)
        self.blank = False
        self.nodes, self.kind, self.unquoted = nodes, kind, unquoted
        # Most links are one variable, which is written by a shorter way.
        first = nodes[0]
        alone = len(nodes) == 1 and isinstance(first, OutputNode)
        self.alone = cast("OutputNode", first).expression if alone else None

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write the value. What is written for the outputs is all that ever differs.

        Raises:
            ResourceLimitError: The message has become too long, or too much work.
        """
        outer = cast("Buffer", buffer)
        value = ValueBuffer(outer.meter)
        if self.alone is None:
            inner = cast("TextIO", value)
            for node in self.nodes:
                node.render(context, inner)
        else:
            text = to_liquid_string(self.alone.evaluate(context), autoescape=True)
            if self.kind is ValueKind.ADDRESS and is_plainly_good(text):
                return outer.write(text)
            value.write(text)
        written = value.getvalue()
        if self.kind is ValueKind.ADDRESS and is_plainly_good(written):
            return outer.take(written)
        outer.meter.charge(COST_OF_A_VALUE + len(written) // CHARACTERS_PER_UNIT)
        if not is_harmless(self.kind, written):
            value.replace_outputs(_instead(self.kind))
            written = value.getvalue()
        elif self.unquoted or self.kind in LINKS:
            written = self._without_spaces(value, written)
        if self.unquoted and not value.begins_with_something():
            written = A_SPACE + written
        return outer.take(written)

    def _without_spaces(self, value: ValueBuffer, written: str) -> str:
        if not value.has_spaces():
            return written
        if self.kind is ValueKind.ADDRESS:
            value.strip()
        value.change_outputs(IGNORED_IN_ADDRESS, "%20" if self.kind in LINKS else A_SPACE)
        return value.getvalue()


def disarmed(document: str) -> str:
    """Replace, in a document that is ready, whole values that link where no mail may.

    For versions that were saved before it was refused that a text leaves a tag open: what they
    print is known only once it is printed.
    """
    pieces: list[str] = []
    begin = 0
    for start, end, kind in sorted(values(document)):
        if (
            start >= begin
            and kind in LINKS | {ValueKind.CSS}
            and not is_harmless(kind, document[start:end])
        ):
            pieces += [document[begin:start], _instead(kind)]
            begin = end
    return "".join([*pieces, document[begin:]])


class _Apart(Node):
    """An output whose text is looked at by itself."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        super().__init__(node.token)
        self.blank = False
        self.node = node

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write what is left of the output."""
        outer = cast("Buffer", buffer)
        apart = Buffer(outer.meter)
        self.node.render(context, cast("TextIO", apart))
        return outer.take(self.harmless(apart.getvalue()))

    def harmless(self, text: str) -> str:
        """Return what may stand here."""
        raise NotImplementedError


class NameNode(_Apart):
    """An output in a tag, outside of any value: letters, digits, ``-`` and ``_`` are left.

    Nothing is, where it may as well be in a value. Such outputs are refused when saved; this is
    for versions that were saved before.
    """

    __slots__ = ("silent",)

    def __init__(self, node: Node, *, silent: bool) -> None:
        super().__init__(node)
        self.silent = silent

    def harmless(self, text: str) -> str:
        """Return what is left."""
        return "" if self.silent else NOT_IN_A_NAME.sub("", text)


class HarmlessValueNode(_Apart):
    """An output of a value that begins or ends elsewhere, so that it cannot be judged as a whole.

    As ``NameNode``, only for versions that were saved before.
    """

    __slots__ = ("kind",)

    def __init__(self, node: Node, *, kind: ValueKind) -> None:
        super().__init__(node)
        self.kind = kind

    def harmless(self, text: str) -> str:
        """Return a link to nowhere; of a value that is no address the text without spaces."""
        if self.kind is ValueKind.PLAIN:
            return IGNORED_IN_ADDRESS.sub(A_SPACE, text) or A_SPACE
        return _instead(self.kind)
