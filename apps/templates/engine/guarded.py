"""Nodes for outputs in tags: a variable cannot create an unsafe link, an attribute or a script."""

import re
from typing import TextIO, cast

from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.output import OutputNode

from apps.templates.engine.addresses import IGNORED_IN_ADDRESS, is_harmless, is_plainly_good
from apps.templates.engine.buffers import Buffer, ValueBuffer
from apps.templates.engine.html_tokenizer import values
from apps.templates.engine.limits import CHARACTERS_PER_UNIT
from apps.templates.engine.places import ValueKind
from apps.templates.engine.texts import text_of

# Characters that are removed from an output that is part of a name.
NOT_IN_A_NAME = re.compile(r"[^0-9A-Za-z_-]+")
# A space as character reference: unlike white space, it does not end an unquoted value.
A_SPACE = "&#32;"
# Replaces a URL that is not allowed: a link without a target.
NO_PLACE = "#"
# Checking a value that is not a plain https URL takes about 8 microseconds.
COST_OF_A_VALUE = 8
LINKS = frozenset({ValueKind.ADDRESS, ValueKind.ADDRESSES, ValueKind.REFRESH})


def _instead(kind: ValueKind) -> str:
    """Return the replacement for the outputs of a bad value."""
    return NO_PLACE if kind in LINKS else ""


def _source_of(node: Node) -> str:
    """Return what an author wrote, for an error; conditions are shortened."""
    if isinstance(node, OutputNode):
        return f"{{{{ {node.expression} }}}}"
    return node.text if isinstance(node, ContentNode) else "…"


class LiteralNode(ContentNode):
    """Literal text of the author inside a value."""

    __slots__ = ()

    def render_to_output(self, _: RenderContext, buffer: TextIO) -> int:
        """Write the text, marked as literal."""
        if isinstance(buffer, ValueBuffer):
            return buffer.write_literal(self.text)
        return buffer.write(self.text)


class AddressNode(Node):
    """The whole value of an attribute. If it is bad, ``#`` replaces its outputs.

    Escaping does not make ``javascript:`` harmless. One bad value does not stop the whole message.

    Attributes:
        alone: The expression, if the value is a single output; else None.
        kind: How clients interpret the value.
        nodes: The nodes of the value.
        unquoted: Whether the value has no quotes, so that white space would end it and an empty
            text would be no value.
    """

    __slots__ = ("alone", "kind", "nodes", "unquoted")

    def __init__(self, nodes: list[Node], *, kind: ValueKind, unquoted: bool) -> None:
        super().__init__(nodes[0].token)
        self.blank = False
        self.nodes, self.kind, self.unquoted = nodes, kind, unquoted
        # Most links are a single variable, which has a fast path.
        first = nodes[0]
        alone = len(nodes) == 1 and isinstance(first, OutputNode)
        self.alone = cast("OutputNode", first).expression if alone else None

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write the value. Only the text of outputs is changed, never literal text.

        Raises:
            ResourceLimitError: The message has become too long or does too much work.
        """
        outer = cast("Buffer", buffer)
        value = ValueBuffer(outer.meter)
        if self.alone is None:
            inner = cast("TextIO", value)
            for node in self.nodes:
                node.render(context, inner)
        else:
            text = text_of(self.alone.evaluate(context), autoescape=True)
            if self.kind is ValueKind.ADDRESS and is_plainly_good(text):
                return outer.write(text)
            value.write(text)
        written = value.getvalue()
        if self.kind is ValueKind.ADDRESS and is_plainly_good(written):
            return outer.take(written)
        outer.meter.charge(COST_OF_A_VALUE + len(written) // CHARACTERS_PER_UNIT)
        if not is_harmless(self.kind, written):
            if self.kind in LINKS:
                outer.meter.refused.append("".join(map(_source_of, self.nodes)))
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


def made_harmless(document: str) -> str:
    """Replace, in a rendered document, whole values that link to schemes that are not allowed.

    This is for versions that were saved before texts that leave a tag open were refused. Their
    attribute values are known only after rendering.
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
    """An output whose text is checked separately."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        super().__init__(node.token)
        self.blank = False
        self.node = node

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write the harmless form of the output."""
        outer = cast("Buffer", buffer)
        apart = Buffer(outer.meter)
        self.node.render(context, cast("TextIO", apart))
        return outer.take(self.harmless(apart.getvalue()))

    def harmless(self, text: str) -> str:
        """Return the text that may be written."""
        raise NotImplementedError


class NameNode(_Apart):
    """An output in a tag, outside of any value; only letters, digits, ``-`` and ``_`` are kept.

    Nothing is kept if the output could also be in a value (``silent``). Such outputs are refused
    when a template is saved; this is for versions that were saved before that rule.
    """

    __slots__ = ("silent",)

    def __init__(self, node: Node, *, silent: bool) -> None:
        super().__init__(node)
        self.silent = silent

    def harmless(self, text: str) -> str:
        """Return the characters that are allowed in a name."""
        return "" if self.silent else NOT_IN_A_NAME.sub("", text)


class HarmlessValueNode(_Apart):
    """An output in a value that begins or ends elsewhere, so the whole value cannot be checked.

    Like ``NameNode``, this is only for versions that were saved before the rule.
    """

    __slots__ = ("kind",)

    def __init__(self, node: Node, *, kind: ValueKind) -> None:
        super().__init__(node)
        self.kind = kind

    def harmless(self, text: str) -> str:
        """Return ``#`` for links, the text with encoded spaces for plain values, else nothing."""
        if self.kind is ValueKind.PLAIN:
            return IGNORED_IN_ADDRESS.sub(A_SPACE, text) or A_SPACE
        return _instead(self.kind)
