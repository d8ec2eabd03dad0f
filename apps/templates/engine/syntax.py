"""Parse a source to a template that can be rendered, or to errors with line and column."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.exceptions import LiquidError
from liquid.parser import get_parser
from liquid.stream import TokenStream

from apps.templates.engine.cost import cost_of_all
from apps.templates.engine.guarded import made_harmless
from apps.templates.engine.guarding import Finding, guard
from apps.templates.engine.hints import explained
from apps.templates.engine.limits import TAG_LENGTH_LIMIT, TAGS_LIMIT, WORK_LIMIT, Meter
from apps.templates.engine.reading import Reader
from apps.templates.engine.releases import CURRENT, FIRST
from apps.templates.engine.sandbox import (
    USUAL,
    RenderOptions,
    Sandbox,
    SandboxTemplate,
    environment_of,
)

OPENING = re.compile(r"\{\{|\{%")
RAW = re.compile(r"-?\s*(raw|doc)\s*-?")
END_OF_RAW = re.compile(r"\{%-?\s*endraw\s*-?%\}")
# A condition that the parser would ignore.
ELSE_IF = re.compile(r"else\s+\S")


@dataclass(frozen=True, kw_only=True)
class SyntaxProblem:
    """One error in a source.

    Attributes:
        message: The error message.
        line: The line, counted from 1.
        column: The column in characters, counted from 1.
    """

    message: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return line, column and message."""
        return f"line {self.line}, column {self.column}: {self.message}"


class TemplateSyntaxError(Exception):
    """A source cannot be saved; contains all errors that were found."""

    def __init__(self, problems: Iterable[SyntaxProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """One parsed field.

    Attributes:
        constant: The whole text if it has no Liquid; then ``template`` is None.
        template: The template to render; None for a constant text.
        required: Variables that must be given, as dotted paths.
        used: Names of all variables in the source.
        cost: The maximum units of work of one rendering, without loops, which are charged when
            they begin.
        refused: Errors that prevent saving: outputs in HTML contexts in which they are not
            allowed. Versions that were saved before this rule are rendered in a harmless form.
        may_be_empty: Whether it may write nothing, because all of its text comes from outputs or
            stands in a condition.
        filters: The names of all filters in the source.
        leaves_tags_open: Whether an output prints part of a tag, so that the attribute values are
            known only after rendering.
    """

    constant: str | None
    template: SandboxTemplate | None
    required: frozenset[str]
    used: frozenset[str]
    cost: int
    refused: tuple[SyntaxProblem, ...] = ()
    may_be_empty: bool = False
    leaves_tags_open: bool = False
    filters: frozenset[str] = frozenset()

    def render(
        self, variables: Mapping[str, Any], meter: Meter, options: RenderOptions = USUAL
    ) -> str:
        """Render with the meter of the message.

        Raises:
            LiquidError: A limit was exceeded, or a filter does not fit its value.
        """
        if self.template is None:
            assert self.constant is not None
            return self.constant
        meter.charge(self.cost)
        written = self.template.render_metered(variables, meter, options)
        return made_harmless(written) if self.leaves_tags_open else written


def problem_at(source: str, index: int, message: str) -> SyntaxProblem:
    """Return a problem at an index into the source; a negative index means the end."""
    before = source[:index] if 0 <= index <= len(source) else source
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return SyntaxProblem(message=message, line=line, column=column)


def refuse_unclosed(source: str) -> None:
    """Check the delimiters in one pass, before the lexer, which scans ahead from each of them.

    Raises:
        TemplateSyntaxError: A tag or output is not closed or too long, or there are too many.
    """
    position = tags = 0
    while opening := OPENING.search(source, position):
        start = opening.start()
        tags += 1
        if tags > TAGS_LIMIT:
            message = f"there are more than {TAGS_LIMIT} tags"
            raise TemplateSyntaxError([problem_at(source, start, message)])
        closing = "}}" if opening[0] == "{{" else "%}"
        end = source.find(closing, opening.end())
        if end < 0:
            message = f"expected '{closing}', found the end of the text"
            raise TemplateSyntaxError([problem_at(source, start, message)])
        if end - start > TAG_LENGTH_LIMIT:
            message = f"'{opening[0]}' is not closed within {TAG_LENGTH_LIMIT} characters"
            raise TemplateSyntaxError([problem_at(source, start, message)])
        position = end + 2
        raw = RAW.fullmatch(source, opening.end(), end) if closing == "%}" else None
        if raw:
            ending = END_OF_RAW.search(source, position) if raw[1] == "raw" else None
            if ending is None:
                message = "'raw' without 'endraw'" if raw[1] == "raw" else "unexpected tag 'doc'"
                raise TemplateSyntaxError([problem_at(source, start, message)])
            position = ending.end()


def _refuse_else_if(source: str) -> None:
    """Refuse ``{% else if … %}``, of which the parser would use only the ``else``.

    Raises:
        TemplateSyntaxError: There is one.
    """
    position = 0
    in_comment = False
    while opening := OPENING.search(source, position):
        end = source.find("}}" if opening[0] == "{{" else "%}", opening.end())
        position = end + 2
        tag = source[opening.end() : end].strip("- \t\r\n") if opening[0] == "{%" else ""
        if tag in {"comment", "endcomment"}:
            in_comment = tag == "comment"
        elif tag == "raw" and (ending := END_OF_RAW.search(source, position)):
            position = ending.end()
        elif not in_comment and ELSE_IF.match(tag):
            message = "'else' takes no condition; write 'elsif'"
            raise TemplateSyntaxError([problem_at(source, opening.start(), message)])


def _problem(source: str, error: LiquidError) -> SyntaxProblem:
    index = error.token.start_index if error.token is not None else -1
    message = str(error.message).replace("found end of expression", "found the end")
    return problem_at(source, index, explained(message))


def parse(source: str, *, html: bool = False, engine: int = CURRENT) -> Parsed:
    """Parse one field.

    Args:
        source: The Liquid source.
        html: Whether the field is HTML, so that values are escaped.
        engine: The number of the engine whose rules apply.

    Raises:
        TemplateSyntaxError: The source has errors; the exception contains all that were found.
    """
    if not OPENING.search(source):
        nothing: frozenset[str] = frozenset()
        return Parsed(constant=source, template=None, required=nothing, used=nothing, cost=0)
    refuse_unclosed(source)
    if engine > FIRST:
        _refuse_else_if(source)
    environment = environment_of(engine, html=html)
    try:
        nodes = get_parser(environment).parse(TokenStream(environment.tokenizer()(source)))
    except LiquidError as error:
        raise TemplateSyntaxError([_problem(source, error)]) from None
    except RecursionError:
        raise TemplateSyntaxError([problem_at(source, 0, "it is nested too deep")]) from None
    return _checked(source, nodes, environment)


def _checked(source: str, nodes: list[Node], environment: Sandbox) -> Parsed:
    reader = Reader(engine=environment.engine)
    reader.read(nodes)
    if reader.errors:
        raise TemplateSyntaxError(_problem(source, error) for error in reader.errors)
    cost = cost_of_all(nodes)
    if cost > WORK_LIMIT:
        message = "the template does more work than one message may"
        raise TemplateSyntaxError([problem_at(source, 0, message)])
    found = guard(nodes) if environment.autoescape else []
    return Parsed(
        constant=None,
        template=SandboxTemplate(environment, nodes),
        required=frozenset(reader.required),
        used=frozenset(reader.used),
        cost=cost,
        may_be_empty=all(node.blank for node in nodes if isinstance(node, ContentNode)),
        filters=frozenset(reader.filters),
        leaves_tags_open=any(one.leaves_a_tag_open for one in found),
        refused=tuple(dict.fromkeys(_refusal(source, one) for one in found)),
    )


def _refusal(source: str, found: Finding) -> SyntaxProblem:
    return problem_at(source, found.node.token.start_index, found.message)
