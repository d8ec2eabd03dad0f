"""The Liquid environments: few tags and filters, no other templates, no files, metered work."""

from collections.abc import Mapping
from typing import Any, ClassVar, TextIO, cast

from liquid import Environment, RenderContext
from liquid.builtin import content, illegal
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    case_tag,
    comment_tag,
    cycle_tag,
    for_tag,
    if_tag,
    inline_comment_tag,
    unless_tag,
)
from liquid.exceptions import BreakLoop, ContinueLoop, ResourceLimitError
from liquid.template import BoundTemplate
from liquid.undefined import UNDEFINED
from liquid.utils import ReadOnlyChainMap

from apps.templates.engine.buffers import Buffer
from apps.templates.engine.cost import COST_OF_A_ROUND, cost_of
from apps.templates.engine.filters import FILTERS
from apps.templates.engine.limits import BLOCK_DEPTH_LIMIT, LIST_LIMIT, Meter
from apps.templates.engine.texts import Output


class Context(RenderContext):
    """The context of rendering one field: variables, and the meter of the whole message."""

    __slots__ = ("meter",)

    def __init__(
        self, template: BoundTemplate, *, variables: Mapping[str, object], meter: Meter
    ) -> None:
        super().__init__(template, globals=variables)
        self.meter = meter
        # Exclude the library's own ``now`` and ``today``, which would hide a missing variable.
        self.scope = ReadOnlyChainMap(self.locals, variables)

    def get(self, path: list[object], *, token: Any, default: object = UNDEFINED) -> object:
        """Resolve a path, and charge the work of using the value."""
        value = super().get(path, token=token, default=default)
        self.meter.charge_reading(value)
        return value

    def assign(self, key: str, val: Any) -> None:
        """Set a local variable. The filters and the output limit bound its size."""
        self.locals[key] = val

    def get_buffer(self, buf: TextIO | None = None) -> Any:
        """Return a buffer for a capture, with the same meter."""
        return Buffer(self.meter)


class MeteredForNode(for_tag.ForNode):
    """A loop that charges the work of all its rounds before the first round."""

    __slots__ = ("round_cost",)

    def __init__(self, token: Any, expression: Any, block: Any, default: Any = None) -> None:
        super().__init__(token, expression, block, default)
        self.round_cost = COST_OF_A_ROUND + cost_of(block)

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Render the rounds.

        Raises:
            ResourceLimitError: There are more items or there is more work than allowed.
        """
        assert isinstance(context, Context)
        iterable = self.expression.iterable
        if isinstance(iterable, RangeLiteral):
            # Check the length first, because the library creates a list of a reversed range.
            numbers = iterable.evaluate(context)
            if numbers and numbers[-1] - numbers[0] >= LIST_LIMIT:
                message = f"a loop over more than {LIST_LIMIT} numbers"
                raise ResourceLimitError(message, token=self.token)
        items, length = self.expression.evaluate(context)
        if not length:
            return self.default.render(context, buffer) if self.default else 0
        context.meter.charge(length * self.round_cost)
        return self._render_rounds(context, buffer, items, length)

    def _render_rounds(self, context: Context, buffer: TextIO, items: Any, length: int) -> int:
        name = self.expression.identifier
        loop = for_tag.ForLoop(name=name, it=items, length=length, parentloop=context.parentloop())
        namespace: dict[str, object] = {"forloop": loop, name: None}
        written = 0
        with context.loop(namespace, loop):
            for item in loop:
                namespace[name] = item
                try:
                    written += self.block.render(context, buffer)
                except ContinueLoop:
                    continue
                except BreakLoop:
                    break
        return written


class ForTag(for_tag.ForTag):
    """The ``for`` tag with metered loops."""

    node_class = MeteredForNode


class SandboxTemplate(BoundTemplate):
    """A parsed field."""

    context_class = Context

    def render_metered(self, variables: Mapping[str, object], meter: Meter) -> str:
        """Render with the meter of the message to which this field belongs.

        Raises:
            LiquidError: A limit was exceeded, or a filter does not fit its value.
        """
        context = Context(self, variables=variables, meter=meter)
        buffer = Buffer(meter)
        for node in self.nodes:
            node.render(context, cast("TextIO", buffer))
        return buffer.getvalue()


class Sandbox(Environment):
    """The Liquid environment of templates.

    Not offered: include, render and extends (a version must be complete to be immutable),
    increment, decrement, ifchanged, tablerow, liquid and doc tags, and all filters that are not in
    ``FILTERS``. One of these is ``safe``, which could disable escaping by accident.
    """

    TAGS: ClassVar = (
        content.Literal,
        Output,
        illegal.Illegal,
        if_tag.IfTag,
        unless_tag.UnlessTag,
        case_tag.CaseTag,
        ForTag,
        for_tag.BreakTag,
        for_tag.ContinueTag,
        capture_tag.CaptureTag,
        assign_tag.AssignTag,
        cycle_tag.CycleTag,
        comment_tag.CommentTag,
        inline_comment_tag.InlineCommentTag,
    )

    block_nesting_limit = BLOCK_DEPTH_LIMIT
    template_class = SandboxTemplate

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Register only the offered tags and filters."""
        for tag in self.TAGS:
            self.add_tag(tag)
        for name, function in FILTERS.items():
            self.add_filter(name, function)


TEXT = Sandbox()
HTML = Sandbox(autoescape=True)
