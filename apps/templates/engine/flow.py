"""Static analysis: the possible HTML contexts after each node, along all paths of a template."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.primitive import StringLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.builtin.tags.cycle_tag import CycleNode
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode

from apps.templates.engine.addresses import is_decided_by
from apps.templates.engine.html_tokenizer import after_output, follow
from apps.templates.engine.places import LOST, PLACES_LIMIT, VALUES, Events, Place

Places = frozenset[Place]
NO_PLACE: Places = frozenset()


@dataclass(slots=True)
class LoopExits:
    """The possible contexts at the ``break`` and ``continue`` tags of a loop."""

    broken: set[Place] = field(default_factory=set)
    continued: set[Place] = field(default_factory=set)


class Flow:
    """Computes the possible contexts after a node. It does not change nodes."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Places], tuple[Places, LoopExits]] = {}
        self._followed: dict[tuple[str, Place], tuple[Places, Events]] = {}
        # Cache keys contain the ids of these nodes; the references keep the ids valid.
        self._kept: list[Node] = []
        self._kinds: tuple[tuple[Any, Callable[[Any, Places, LoopExits], Places]], ...] = (
            (ContentNode, self._text),
            (OutputNode | CycleNode, self._output),
            (BlockNode, self._block),
            (CaptureNode | AssignNode, self._nothing),
            (BreakNode, self._break),
            (ContinueNode, self._continue),
            (ForNode, self._loop),
            (CaseNode, self._case),
        )

    def through(self, node: ContentNode, places: Places) -> list[tuple[Places, Events]]:
        """Tokenize a text from each context.

        Returns:
            For each context, the contexts at the end of the text and the events in it.
        """
        found: list[tuple[Places, Events]] = []
        for place in places:
            key = (node.text, place)
            if key not in self._followed:
                self._followed[key] = follow(place, node.text)
            found.append(self._followed[key])
        return found

    def after(self, found: Node, places: Places, leaving: LoopExits) -> Places:
        """Return the possible contexts after a node."""
        node = as_text(found)
        if not places:
            return places
        for kind, follow_node in self._kinds:
            if isinstance(node, kind):
                return follow_node(node, places, leaving)
        return self._condition(node, places, leaving)

    def _text(self, node: ContentNode, places: Places, _: LoopExits) -> Places:
        return merged(place for ends, _ in self.through(node, places) for place in ends)

    def _output(self, _: Node, places: Places, __: LoopExits) -> Places:
        return merged(after for place in places for after in after_output(_remembering(place)))

    def _nothing(self, _: Node, places: Places, __: LoopExits) -> Places:
        return places

    def _break(self, _: Node, places: Places, leaving: LoopExits) -> Places:
        leaving.broken |= places
        return NO_PLACE

    def _continue(self, _: Node, places: Places, leaving: LoopExits) -> Places:
        leaving.continued |= places
        return NO_PLACE

    def _case(self, node: CaseNode, places: Places, leaving: LoopExits) -> Places:
        # Several branches may be rendered, and a branch may be rendered several times.
        for branch in node.blocks:
            places = self.repeated(block_of(branch), places, leaving)
        return places

    def repeated(self, block: BlockNode, places: Places, leaving: LoopExits) -> Places:
        """Return the contexts before and after any number of rounds (a fixed point)."""
        while True:
            round_ = LoopExits()
            after = self._block(block, places, round_)
            reached = merged(places | after | round_.continued)
            if reached == places:
                leaving.broken |= round_.broken
                leaving.continued |= round_.continued
                return places
            places = reached

    def _loop(self, node: ForNode, places: Places, leaving: LoopExits) -> Places:
        inner = LoopExits()
        after = self.repeated(node.block, places, inner)
        # A loop over an empty list renders its ``else`` block.
        empty = self._block(node.default, places, leaving) if node.default else places
        return merged(after | inner.broken | empty)

    def _condition(self, node: Node, places: Places, leaving: LoopExits) -> Places:
        found: set[Place] = set()
        for branch in branches(node):
            found |= self._block(block_of(branch), places, leaving)
        complete = isinstance(node, IfNode | UnlessNode) and node.default is not None
        return merged(found if complete else found | places)

    def _block(self, block: BlockNode, places: Places, leaving: LoopExits) -> Places:
        key = (id(block), places)
        if key not in self._known:
            self._kept.append(block)
            inner, inside = LoopExits(), places
            for node in block.nodes:
                if not (block.blank and isinstance(node, ContentNode)):
                    inside = self.after(node, inside, inner)
            self._known[key] = (inside, inner)
        after, left = self._known[key]
        leaving.broken |= left.broken
        leaving.continued |= left.continued
        return after


def merged(places: Iterable[Place]) -> frozenset[Place]:
    """Merge contexts that differ only in the text of the value so far.

    If there are more than ``PLACES_LIMIT`` contexts, return only the unknown context ``LOST``.
    """
    places = frozenset(places)
    if len(places) < 2:  # noqa: PLR2004 - a single one needs no merge.
        return places
    values: dict[Place, list[Place]] = {}
    others: set[Place] = set()
    for place in places:
        if place.mode in VALUES:
            values.setdefault(place._replace(said="", safe=False), []).append(place)
        else:
            others.add(place)
    for alike in values.values():
        same = len({(place.said, place.safe) for place in alike}) == 1
        safe = all(decided(place) is True for place in alike)
        others.add(alike[0] if same else alike[0]._replace(said=None, safe=safe))
    return frozenset(others) if len(others) <= PLACES_LIMIT else frozenset({LOST})


def as_text(node: Node) -> Node:
    """Convert an output of a literal string without filters to a text node."""
    expression = node.expression if isinstance(node, OutputNode) else None
    if not isinstance(expression, FilteredExpression) or expression.filters:
        return node
    if not isinstance(expression.left, StringLiteral):
        return node
    return ContentNode(node.token, expression.left.value)


def branches(node: Node) -> Iterable[Node]:
    """Return the direct branches of a condition."""
    found: Iterable[Node] = node.children(None)  # type: ignore[arg-type] # The argument is not used.
    return list(found)


def block_of(branch: Node) -> BlockNode:
    """Return the block node of a branch."""
    if isinstance(branch, BlockNode):
        return branch
    block: BlockNode = branch.block  # type: ignore[attr-defined] # All other branches have one.
    return block


def _remembering(place: Place) -> Place:
    """Store, before an output, whether the literal text so far makes the value good."""
    if place.said is None or place.safe or not place.in_value:
        return place
    return place._replace(safe=is_decided_by(place.kind, place.said) is True)


def decided(place: Place) -> bool | None:
    """Return True or False if the text so far makes the value good or bad; None if undecided."""
    if place.safe:
        return True
    return None if place.said is None else is_decided_by(place.kind, place.said)
