"""Guard outputs in HTML by their context: refuse them on saving, or check them on rendering.

The value of an attribute that clients interpret as URL, CSS, refresh or script is checked as a
whole: all its outputs with the literal text between them. The contexts are computed once, when the
template is parsed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions.primitive import StringLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.builtin.tags.cycle_tag import CycleNode
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.expression import Expression

from apps.templates.engine.flow import (
    Flow,
    LoopExits,
    Places,
    as_text,
    block_of,
    branches,
    decided,
)
from apps.templates.engine.guarded import (
    AddressNode,
    HarmlessValueNode,
    LiteralNode,
    NameNode,
)
from apps.templates.engine.html_tokenizer import follow
from apps.templates.engine.places import (
    NAMES,
    OPEN,
    START,
    Events,
    HtmlEvent,
    Mode,
    Place,
    ValueKind,
)

IN_A_TAG = "inside a tag an output can only stand in the quoted value of an attribute"
UNQUOTED = "the value of an attribute with an output has to be quoted"
IN_A_REFRESH = "an output cannot stand in a meta refresh"
IN_A_SCRIPT = "an output cannot stand in an attribute that is a script or a document"
BAD_SCHEME = "an output cannot stand in an address of this scheme"
BROKEN = "the value of this attribute has to begin and end beside this output, in no other branch"
LEFT_OPEN = "this text leaves a tag open"


@dataclass(frozen=True, slots=True)
class Finding:
    """A node, such as an output, in a context in which it must not be saved.

    Attributes:
        node: The node.
        message: The error message.
    """

    node: Node
    message: str

    @property
    def leaves_a_tag_open(self) -> bool:
        """Whether the rendered text has tags that this analysis does not know."""
        return self.message == LEFT_OPEN


@dataclass(eq=False, slots=True)
class _Value:
    """The value of an attribute, or the content of a ``style`` element, during the walk.

    Attributes:
        owner: The list of nodes in which the value begins; None if it begins in several branches.
        index: The index of its first node in the new list.
        depth: The number of loops around its beginning.
        kind: How clients interpret the value.
        unquoted: Whether the value has no quotes.
        broken: Whether the value does not begin and end in the same list, so that it cannot be
            checked as a whole.
        doubtful: Its outputs that must be checked, each with the list that contains it.
    """

    owner: list[Node] | None
    index: int
    depth: int
    kind: ValueKind = ValueKind.PLAIN
    unquoted: bool = False
    broken: bool = False
    doubtful: list[tuple[list[Node], Node]] = field(default_factory=list)


def guard(nodes: list[Node]) -> list[Finding]:
    """Wrap the outputs of a parsed HTML field in guard nodes.

    Args:
        nodes: The nodes, changed in place. Literal text is not changed by a single byte.

    Returns:
        The findings that must not be saved. Versions that were saved before these rules are still
        rendered, in a harmless form.
    """
    guards = _Guards()
    guards.walk(nodes, frozenset({START}))
    guards.close(None)
    guards.settle()
    return guards.findings


class _Guards:
    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._flow = Flow()
        self._value: _Value | None = None
        self._depth = 0
        # Values of ``content``; whether the tag is a refresh is known only at the end of the tag.
        self._contents: list[tuple[AddressNode, Node]] = []
        self._refreshes: set[AddressNode] = set()
        self._in_this_tag: frozenset[AddressNode] = frozenset()
        self._broken: list[_Value] = []

    def walk(self, nodes: list[Node], places: Places, *, printed: bool = True) -> None:
        """Walk through a list of sibling nodes.

        Args:
            nodes: The nodes, changed in place.
            places: The possible contexts before them.
            printed: Whether their text is printed; the text of a white-space-only block is not.
        """
        done: list[Node] = []
        for found in nodes:
            node = as_text(found)
            self._left_open(node)
            if isinstance(node, ContentNode) and not printed:
                done.append(node)
                continue
            # Compute this before nodes inside are changed.
            after = self._flow.after(node, places, LoopExits())
            if isinstance(node, ContentNode):
                self._text(nodes, done, node, places)
            elif isinstance(node, OutputNode | CycleNode):
                done.append(self._output(nodes, done, node, places))
            else:
                self._tag(node, places)
                done.append(node)
            places = after
        nodes[:] = _joined(done)

    def settle(self) -> None:
        """Finish: set the kinds of ``content`` values and guard the outputs of broken values."""
        for guarded, output in self._contents:
            if guarded in self._refreshes:
                self.findings.append(Finding(output, IN_A_REFRESH))
            else:
                guarded.kind = ValueKind.PLAIN
        found: dict[int, list[Node]] = {}
        harmless = defaultdict[int, dict[int, Node]](dict)
        for value in self._broken:
            for nodes, output in value.doubtful:
                self.findings.append(Finding(output, BROKEN))
                found[id(nodes)] = nodes
                harmless[id(nodes)][id(output)] = HarmlessValueNode(output, kind=value.kind)
        for key, nodes in found.items():
            nodes[:] = [harmless[key].get(id(node), node) for node in nodes]

    def close(self, value: _Value | None) -> None:
        """Switch to another value or to none; a current value that is still open is broken."""
        if self._value is not None and self._value is not value:
            self._break(self._value)
        self._value = value

    def _break(self, value: _Value) -> None:
        if not value.broken:
            value.broken = True
            self._broken.append(value)

    def _text(self, nodes: list[Node], done: list[Node], node: ContentNode, places: Places) -> None:
        begun = 0
        for index, event in _events(self._flow.through(node, places)):
            if event is HtmlEvent.START:
                done += _pieces(node, begun, index, literal=self._value is not None)
                begun = index
                self.close(_Value(owner=nodes, index=len(done), depth=self._depth))
            elif event is HtmlEvent.END:
                done += _pieces(node, begun, index, literal=self._value is not None)
                begun = index
                self._end(nodes, done)
            else:
                if event is HtmlEvent.REFRESH_END:
                    self._refreshes |= self._in_this_tag
                self._in_this_tag = frozenset()
        done += _pieces(node, begun, len(node.text), literal=self._value is not None)

    def _end(self, nodes: list[Node], done: list[Node]) -> None:
        value, self._value = self._value, None
        if value is None:
            return
        if not value.doubtful:
            if value.owner is nodes:
                done[value.index :] = map(_plain, done[value.index :])
            return
        if value.broken or value.owner is not nodes:
            self._break(value)
            return
        guarded = AddressNode(done[value.index :], kind=value.kind, unquoted=value.unquoted)
        done[value.index :] = [guarded]
        if value.kind is ValueKind.REFRESH:
            self._contents.append((guarded, value.doubtful[0][1]))
            self._in_this_tag |= {guarded}

    def _output(self, nodes: list[Node], done: list[Node], node: Node, places: Places) -> Node:
        if any(place.mode in NAMES for place in places):
            self.findings.append(Finding(node, IN_A_TAG))
            silent = any(place.in_value or place.mode is Mode.LOST for place in places)
            return NameNode(node, silent=silent)
        if any(place.mode is Mode.BEFORE_VALUE for place in places):
            self.close(_Value(owner=nodes, index=len(done), depth=self._depth))
        inside = [place for place in places if place.in_value]
        doubtful = [place for place in inside if _is_doubtful(place)]
        if not doubtful:
            return node
        value = self._value
        if value is None:
            # The value began in one of several branches.
            value = self._value = _Value(owner=None, index=0, depth=self._depth)
            self._break(value)
        value.kind = max(value.kind, *(place.kind for place in inside))
        value.doubtful.append((nodes, node))
        self._refuse(value, node, doubtful)
        return node

    def _refuse(self, value: _Value, node: Node, places: Sequence[Place]) -> None:
        """Record a finding if the output must not be saved in this context."""
        if any(place.mode in {Mode.UNQUOTED, Mode.BEFORE_VALUE} for place in places):
            value.unquoted = True
            self.findings.append(Finding(node, UNQUOTED))
        elif any(place.kind is ValueKind.SCRIPT for place in places):
            self.findings.append(Finding(node, IN_A_SCRIPT))
        elif any(decided(place) is False for place in places):
            self.findings.append(Finding(node, BAD_SCHEME))

    def _tag(self, node: Node, places: Places) -> None:
        match node:
            case CaptureNode():
                self._capture(node)
            case ForNode():
                self._loop(node, places)
            case BreakNode() | ContinueNode():
                if self._value is not None and self._value.depth == self._depth:
                    self._break(self._value)
            case CaseNode():
                # Several branches may be rendered, and a branch may be rendered several times.
                for branch in node.blocks:
                    places = self._flow.repeated(block_of(branch), places, LoopExits())
                    self._branches([block_of(branch)], places)
            case _:
                self._branches([block_of(child) for child in branches(node)], places)

    def _branches(self, blocks: Iterable[BlockNode], places: Places) -> None:
        before, contents = self._value, self._in_this_tag
        reached = contents
        apart = False
        for block in blocks:
            self._value, self._in_this_tag = before, contents
            self.walk(block.nodes, places, printed=not block.blank)
            reached |= self._in_this_tag
            if self._value is not before:
                apart = True
                self.close(None)
        if apart and before is not None:
            self._break(before)
        self._value, self._in_this_tag = None if apart else before, reached

    def _loop(self, node: ForNode, places: Places) -> None:
        self._depth += 1
        self._branches([node.block], self._flow.repeated(node.block, places, LoopExits()))
        self._depth -= 1
        if node.default:
            self._branches([node.default], places)

    def _capture(self, node: CaptureNode) -> None:
        # Captured text is printed elsewhere and checked there as part of a value.
        value, depth, contents = self._value, self._depth, self._in_this_tag
        self._value, self._depth, self._in_this_tag = None, 0, frozenset()
        ends = self._flow.after(node.block, frozenset({START}), LoopExits())
        self.walk(node.block.nodes, frozenset({START}))
        self.close(None)
        if any(place.mode in OPEN for place in ends):
            self.findings.append(Finding(node, LEFT_OPEN))
        self._value, self._depth, self._in_this_tag = value, depth, contents

    def _left_open(self, node: Node) -> None:
        """Find tags that begin in a string literal of an output or assignment and end outside."""
        if not isinstance(node, OutputNode | AssignNode):
            return
        for literal in _literals(node.expression):
            ends, _ = follow(START, literal)
            if any(place.mode in OPEN for place in ends):
                self.findings.append(Finding(node, LEFT_OPEN))


def _is_doubtful(place: Place) -> bool:
    unquoted = place.mode in {Mode.UNQUOTED, Mode.BEFORE_VALUE}
    return unquoted or (place.kind is not ValueKind.PLAIN and decided(place) is not True)


def _events(ways: Iterable[tuple[Places, Events]]) -> list[tuple[int, HtmlEvent]]:
    """Return the events of all paths in order; an end precedes a start at the same index."""
    found = {event for _, events in ways for event in events}
    return sorted(found, key=lambda one: (one[0], one[1].value))


def _pieces(node: ContentNode, begin: int, end: int, *, literal: bool) -> list[Node]:
    if begin == end:
        return []
    made = LiteralNode if literal else ContentNode
    return [made(node.token, node.text[begin:end])]


def _literals(expression: Expression) -> Iterable[str]:
    if isinstance(expression, StringLiteral):
        yield expression.value
    for child in expression.children():
        yield from _literals(child)


def _plain(node: Node) -> Node:
    return ContentNode(node.token, node.text) if isinstance(node, LiteralNode) else node


def _joined(nodes: Iterable[Node]) -> list[Node]:
    """Join adjacent text nodes, because each node costs a separate write."""
    joined: list[Node] = []
    for is_text, group in groupby(nodes, key=lambda node: type(node) is ContentNode):
        same = list(group)
        if is_text and len(same) > 1:
            same = [ContentNode(same[0].token, "".join(map(str, same)))]
        joined += same
    return joined
