"""The Liquid environments: few tags and filters, no other templates, no files, metered work."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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

from apps.templates.engine import releases
from apps.templates.engine.buffers import Buffer
from apps.templates.engine.cost import COST_OF_A_ROUND, cost_of
from apps.templates.engine.filters import FILTERS
from apps.templates.engine.limits import BLOCK_DEPTH_LIMIT, LIST_LIMIT, Meter
from apps.templates.engine.texts import Output
from apps.templates.engine.unfit import UnfitValueError

RECENT_READINGS = 8


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """How a message is rendered, besides its variables.

    Attributes:
        language: The language of the version, a BCP 47 tag.
        timezone: The time zone of the recipient, a name of the IANA database.
        is_preview: Whether a value that is missing prints nothing, where a mail must not be sent.
    """

    language: str = "en"
    timezone: str = "UTC"
    is_preview: bool = False


USUAL = RenderOptions()


class Context(RenderContext):
    """The context of rendering one field: variables, and the meter of the whole message."""

    __slots__ = ("facts", "is_preview", "meter", "recent")

    def __init__(
        self,
        template: BoundTemplate,
        *,
        variables: Mapping[str, object],
        meter: Meter,
        options: RenderOptions = USUAL,
    ) -> None:
        super().__init__(template, globals=variables)
        self.meter = meter
        self.is_preview = options.is_preview
        # What a filter may ask for.
        self.facts = {
            "environment": template.env,
            "language": options.language,
            "timezone": options.timezone,
        }
        # The variables that were read last, to name one in an error.
        self.recent: deque[tuple[list[object], object]] = deque(maxlen=RECENT_READINGS)
        # Exclude the library's own ``now`` and ``today``, which would hide a missing variable.
        self.scope = ReadOnlyChainMap(self.locals, variables)

    def get(self, path: list[object], *, token: Any, default: object = UNDEFINED) -> object:
        """Resolve a path, and charge the work of using the value."""
        value = super().get(path, token=token, default=default)
        self.meter.charge_reading(value)
        self.recent.append((path, value))
        return value

    def get_item(self, obj: Any, key: Any) -> Any:
        """Resolve one step of a path. An object has its own keys and no others.

        The library offers ``size``, ``first`` and ``last`` of objects too: without a key
        ``first``, ``customer.first`` was a pair of any other key and its value.
        """
        if isinstance(obj, Mapping):
            return obj[key]
        return super().get_item(obj, key)

    def said_of(self, name: str, error: UnfitValueError) -> str:
        """Return the message of a filter whose value does not fit, with the variable's name."""
        for path, value in reversed(self.recent):
            if value is error.value:
                return f"{name}: the variable '{dotted_path(path)}' {error.problem}"
        made_from = f" made from '{dotted_path(self.recent[-1][0])}'" if self.recent else ""
        return f"{name}: the value{made_from} {error.problem}"

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

    def render_metered(
        self, variables: Mapping[str, object], meter: Meter, options: RenderOptions
    ) -> str:
        """Render with the meter of the message to which this field belongs.

        Raises:
            LiquidError: A limit was exceeded, or a filter does not fit its value.
        """
        context = Context(self, variables=variables, meter=meter, options=options)
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
    # The number of the engine.
    engine: ClassVar[int] = releases.CURRENT

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Register only the offered tags and filters."""
        for tag in self.TAGS:
            self.add_tag(tag)
        for name, function in FILTERS[self.engine].items():
            self.add_filter(name, function)


class FirstSandbox(Sandbox):
    """The environment of versions that were saved for the first engine."""

    engine = releases.FIRST


TEXT = Sandbox()
HTML = Sandbox(autoescape=True)
_ENVIRONMENTS = {
    (releases.CURRENT, False): TEXT,
    (releases.CURRENT, True): HTML,
    (releases.FIRST, False): FirstSandbox(),
    (releases.FIRST, True): FirstSandbox(autoescape=True),
}


def environment_of(engine: int, *, html: bool) -> Sandbox:
    """Return the environment of an engine, for texts or for HTML."""
    return _ENVIRONMENTS[engine, html]


def dotted_path(path: Iterable[object]) -> str:
    """Return the name of a variable as an author would write it: ``order.lines[0].price``."""
    first, *rest = path
    return str(first) + "".join(
        f".{step}" if isinstance(step, str) else f"[{step}]" for step in rest
    )
