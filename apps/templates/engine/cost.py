"""The maximum work of a parsed template, without loops, which are charged when they begin."""

from collections.abc import Iterable

from liquid.ast import BlockNode, ConditionalBlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.expression import Expression

COST_OF_A_ROUND = 3
COST_OF_A_LOOP = 12
COST_OF_A_NODE = 1
COST_OF_A_FILTER = 3
# Plain text costs little more than copying it.
TEXT_PER_UNIT = 256


def cost_of_expression(expression: Expression) -> int:
    """Return the units of work of an expression: its parts and its filters."""
    cost = 1 + sum(map(cost_of_expression, expression.children()))
    if isinstance(expression, FilteredExpression) and expression.filters:
        cost += COST_OF_A_FILTER * len(expression.filters)
    return cost


def cost_of_all(nodes: Iterable[Node]) -> int:
    """Return the total cost of nodes that are all rendered."""
    return sum(map(cost_of, nodes))


def cost_of(node: Node) -> int:
    """Return the maximum units of work of rendering a node once."""
    cost = COST_OF_A_NODE + sum(map(cost_of_expression, node.expressions()))
    match node:
        case ContentNode():
            cost += len(node.text) // TEXT_PER_UNIT
        case BlockNode():
            cost += cost_of_all(node.nodes)
        case IfNode() | UnlessNode():
            cost += cost_of(node.consequence) + cost_of_all(node.alternatives)
            cost += cost_of(node.default) if node.default else 0
        case ConditionalBlockNode() | CaptureNode():
            cost += cost_of(node.block)
        case CaseNode():
            cost += cost_of_all(node.blocks)
        case MultiExpressionBlockNode():
            # The library renders the block once for each matching value.
            cost += cost_of(node.block) * max(1, len(node.expression.expressions))
        case ForNode():
            cost += COST_OF_A_LOOP + (cost_of(node.default) if node.default else 0)
    return cost
