"""Static analysis of the variables that a parsed template uses and requires, in text order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.arguments import KeywordArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import Literal, RangeLiteral
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import LiquidSyntaxError
from liquid.expression import Expression

from apps.templates.engine.constants import ARGUMENTS, VALUES, Check
from apps.templates.engine.filters import FILTERS, SIGNATURES, takes
from apps.templates.engine.limits import EXPRESSION_DEPTH_LIMIT
from apps.templates.engine.releases import CURRENT, FIRST

# Liquid's built-in properties of lists and texts. An object has its own keys only.
PROPERTIES = frozenset({"size", "first", "last"})


@dataclass(frozen=True, kw_only=True)
class VariableScope:
    """The scope at the current position in the tree.

    Attributes:
        inner: Names that enclosing loops define.
        tested: Variables that an enclosing ``if``, ``unless`` or ``case`` tests.
        looping: Whether the position is in a loop, so that ``break`` and ``continue`` are valid.
    """

    inner: frozenset[str] = frozenset()
    tested: frozenset[str] = frozenset()
    looping: bool = False


@dataclass(kw_only=True)
class Reader:
    """Walks a tree once and collects its variables.

    A variable is required if it is used without ``default`` and outside of a condition that tests
    it. Testing any part of a variable (``if order.coupon``) makes all of it optional inside, in
    every branch. A use in a loop, or in one branch of a condition on another variable, counts like
    any other, because it is not known in advance whether it will be reached.

    Attributes:
        engine: The number of the engine whose rules apply.
        required: Dotted paths, such as ``name`` or ``order.total``.
        used: Names of variables, required or not.
        filters: Names of filters.
        errors: Errors that the parser accepts and the sandbox does not.
    """

    engine: int = CURRENT
    required: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    filters: set[str] = field(default_factory=set)
    errors: list[LiquidSyntaxError] = field(default_factory=list)
    _assigned: set[str] = field(default_factory=set)

    def read(self, nodes: Iterable[Node]) -> None:
        """Read a whole template."""
        self._nodes(nodes, VariableScope())

    def _nodes(self, nodes: Iterable[Node], scope: VariableScope) -> None:
        for node in nodes:
            self._node(node, scope)

    def _node(self, node: Node, scope: VariableScope) -> None:
        match node:
            case BlockNode():
                self._nodes(node.nodes, scope)
            case IfNode() | UnlessNode():
                self._condition(node, scope)
            case CaseNode():
                self._case(node, scope)
            case ForNode():
                self._loop(node, scope)
            case CaptureNode():
                self._node(node.block, scope)
                self._assigned.add(str(node.name))
            case AssignNode():
                self._uses(node.expression, scope)
                self._assigned.add(str(node.name))
            case BreakNode() | ContinueNode() if not scope.looping:
                self._refuse(f"'{node.token.value}' outside of a loop", node.token)
            case _:
                for expression in node.expressions():
                    self._uses(expression, scope)

    def _condition(self, node: IfNode | UnlessNode, scope: VariableScope) -> None:
        tests = [node.condition, *(branch.expression for branch in node.alternatives)]
        within = self._testing(tests, scope)
        self._node(node.consequence, within)
        for branch in node.alternatives:
            self._node(branch.block, within)
        if node.default:
            self._node(node.default, within)

    def _case(self, node: CaseNode, scope: VariableScope) -> None:
        tests: list[Expression] = [node.expression]
        for branch in node.blocks:
            tests.extend(branch.expressions())
        within = self._testing(tests, scope)
        for branch in node.blocks:
            self._nodes(branch.children(None), within)  # type: ignore[arg-type] # It is not used.

    def _testing(self, tests: Iterable[Expression], scope: VariableScope) -> VariableScope:
        tested: set[str] = set()
        for test in tests:
            for path in self._paths(test):
                root = str(path.path[0])
                if root not in scope.inner and root not in self._assigned:
                    self.used.add(root)
                    tested.add(root)
        return VariableScope(inner=scope.inner, tested=scope.tested | tested, looping=scope.looping)

    def _loop(self, node: ForNode, scope: VariableScope) -> None:
        loop = node.expression
        for expression in loop.children():
            if expression is loop.iterable and isinstance(expression, RangeLiteral):
                self._uses(expression.start, scope)
                self._uses(expression.stop, scope)
            else:
                self._uses(expression, scope)
        inner = scope.inner | {str(loop.identifier), "forloop"}
        self._node(node.block, VariableScope(inner=inner, tested=scope.tested, looping=True))
        if node.default:
            self._node(node.default, scope)

    def _uses(self, expression: Expression, scope: VariableScope) -> None:
        """Record the paths of an expression that is printed or used in a computation."""
        spared = _defaulted(expression)
        for path in self._paths(expression):
            root = str(path.path[0])
            if root in scope.inner or root in self._assigned:
                continue
            self.used.add(root)
            if path is not spared and root not in scope.tested:
                self.required.add(dotted(path, engine=self.engine))

    def _paths(self, expression: Expression, depth: int = 0) -> Iterator[Path]:
        """Yield all paths in an expression; record errors for features that are not offered."""
        if depth > EXPRESSION_DEPTH_LIMIT:
            self._refuse("this expression is nested too deep", expression.token)
            return
        if isinstance(expression, Path):
            if isinstance(expression.path[0], str):
                yield expression
            else:
                self._refuse("a variable begins with its name", expression.token)
        elif isinstance(expression, RangeLiteral):
            self._refuse("a range can only stand in a 'for'", expression.token)
        elif isinstance(expression, FilteredExpression):
            for used in expression.filters or ():
                self._filter(used)
            first = expression.filters[0].name if expression.filters else ""
            if self.engine > FIRST and first in VALUES:
                self._literal(expression.left, VALUES[first], first)
        for child in expression.children():
            yield from self._paths(child, depth + 1)

    def _filter(self, used: Filter) -> None:
        self.filters.add(used.name)
        keywords = frozenset(arg.name for arg in used.args if isinstance(arg, KeywordArgument))
        if used.name not in FILTERS[self.engine]:
            self._refuse(f"unknown filter '{used.name}'", used.token)
        elif not takes(used.name, len(used.args) - len(keywords), keywords, engine=self.engine):
            self._refuse(f"the filter '{used.name}' does not take these arguments", used.token)
        elif self.engine > FIRST:
            self._constants(used)

    def _constants(self, used: Filter) -> None:
        """Refuse the literal arguments that no value would make right."""
        signature = SIGNATURES[self.engine][used.name]
        positional = [arg for arg in used.args if not isinstance(arg, KeywordArgument)]
        named = {arg.name: arg for arg in used.args if isinstance(arg, KeywordArgument)}
        given = signature.bind(None, *positional, **named).arguments
        for name, problem_with in ARGUMENTS.get(used.name, {}).items():
            self._literal(getattr(given.get(name), "value", None), problem_with, used.name)

    def _literal(self, literal: Any, problem_with: Check, name: str) -> None:
        if isinstance(literal, Literal) and (problem := problem_with(literal.value)):
            self._refuse(f"{name}: '{literal.value}' {problem}", literal.token)

    def _refuse(self, message: str, token: Any) -> None:
        self.errors.append(LiquidSyntaxError(message, token=token))


def _defaulted(expression: Expression) -> Expression | None:
    """Return the part of an expression that has a ``default``."""
    if isinstance(expression, FilteredExpression) and any(
        used.name == "default" for used in expression.filters or ()
    ):
        return expression.left
    return None


def dotted(path: Path, *, engine: int = CURRENT) -> str:
    """Return a path up to its first step that is not a plain name.

    ``order.items[0].name`` becomes ``order.items``. For the first engine ``customer.first`` becomes
    ``customer``, because it never noticed that an object has no such key.
    """
    properties = PROPERTIES if engine == FIRST else frozenset()
    steps = [str(path.path[0])]
    for step in path.path[1:]:
        if not isinstance(step, str) or step in properties or "." in step:
            break
        steps.append(step)
    return ".".join(steps)
