"""Syntax errors are found by the parser, with line and column."""

import time

import pytest

from apps.templates.engine.limits import Meter
from apps.templates.engine.releases import FIRST
from apps.templates.engine.syntax import TemplateSyntaxError, parse


def problems_of(source: str) -> list[str]:
    with pytest.raises(TemplateSyntaxError) as caught:
        parse(source)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("Hi {{ name ", "line 1, column 4: expected '}}', found the end of the text"),
        ("Hi\n  {% if a ", "line 2, column 3: expected '%}', found the end of the text"),
        ("a\nbb {% nope %}", "line 2, column 7: unexpected tag 'nope'"),
        ("{% include 'x' %}", "line 1, column 4: unexpected tag 'include'"),
        ("{% render 'x' %}", "line 1, column 4: unexpected tag 'render'"),
        ("{{ a b }}", "line 1, column 6: expected the end or '|', found a word"),
        ("é\né {{ a | nope }}", "line 2, column 10: unknown filter 'nope'"),
        ("{{ a | safe }}", "line 1, column 8: unknown filter 'safe'"),
        ("{{ a | times }}", "line 1, column 8: the filter 'times' does not take these arguments"),
        ("{% break %}", "line 1, column 4: 'break' outside of a loop"),
        ("{{ (1..9) }}", "line 1, column 4: a range can only stand in a 'for'"),
        ("{% if a %}\nb", "line 2, column 2: expected tag endif, found the end"),
        ("{% raw %}x", "line 1, column 1: 'raw' without 'endraw'"),
        ("{{ }}", "line 1, column 6: expected a variable or a text"),
    ],
)
def test_an_error_has_line_and_column_counted_from_one(source: str, problem: str) -> None:
    assert problems_of(source) == [problem]


def test_all_unknown_filters_are_reported_together() -> None:
    assert problems_of("{{ a | one }}\n{{ b | two }}") == [
        "line 1, column 8: unknown filter 'one'",
        "line 2, column 8: unknown filter 'two'",
    ]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{% raw %}" * 25_000, id="raw"),
        pytest.param("{{" + " " * 240_000, id="open output"),
        pytest.param("{{ " * 80_000, id="open outputs"),
        pytest.param("{% if " * 40_000, id="open tags"),
        pytest.param(("{%" + " " * 990 + "%}") * 240, id="blank tags"),
        pytest.param(("{{ " + "(" * 980 + " }}") * 240, id="parentheses"),
        pytest.param(("{{ " + '"a' * 480 + " }}") * 240, id="quotes"),
        pytest.param("{% comment %}" * 18_000, id="comments"),
        pytest.param("{% if a %}" * 200 + "{% endif %}" * 200, id="blocks"),
        pytest.param("{{ " + "a[" * 450 + "b" + "]" * 450 + " }}", id="brackets"),
        pytest.param(
            ("{% case 1 %}{% when " + "1," * 300 + "1 %}") * 5 + "{% endcase %}" * 5, id="when"
        ),
        pytest.param("{{ a }}" * 30_000, id="outputs"),
    ],
)
def test_a_source_that_is_expensive_to_parse_is_refused_within_a_second(source: str) -> None:
    began = time.process_time()

    problems_of(source)

    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("{% if a %}{% elseif b %}{% endif %}", "write 'elsif'"),
        ("{% if a %}{% elif b %}{% endif %}", "write 'elsif'"),
        ("{% if a %}{% else if b %}{% endif %}", "write 'elsif'"),
        ("{% if a %}{%- else  a == 1 -%}{% endif %}", "write 'elsif'"),
        ("{% if a %}{% end if %}", "write 'endif'"),
        ("{% foreach a in b %}{% endfor %}", "write 'for'"),
        ("{% set a = 1 %}", "write 'assign'"),
        ("{% if a == “x” %}{% endif %}", "write ' or \""),
        ("{{ a | default: \u2018x\u2019 }}", "write ' or \""),
        ("{{ a | date: „%Y“ }}", "write ' or \""),
        ("{{ a | default: `x` }}", "write ' or \""),
        ("{% if a = 1 %}{% endif %}", "write '=='"),
        ("{% if a === 1 %}{% endif %}", "write '=='"),
        ("{% if a && b %}{% endif %}", "write 'and'"),
        ("{% if a || b %}{% endif %}", "write 'or'"),
        ("{% if not a %}{% endif %}", "write 'unless'"),
        ("{% if !a %}{% endif %}", "write 'unless'"),
        ("{% if a and (b or c) %}{% endif %}", "no parentheses"),
        ("{{ a + b }}", "plus"),
        ("{{ a ? b : c }}", "write {% if … %}"),
        ("{{ 'a' if b else 'c' }}", "write {% if … %}"),
        ("{{{ a }}}", "two braces"),
        ("{{ a.name() }}", "no functions"),
        ("{{ a | replace: 'x' 'y' }}", "a comma"),
    ],
)  # fmt: skip
def test_an_error_says_what_was_probably_meant(source: str, meant: str) -> None:
    with pytest.raises(TemplateSyntaxError) as refused:
        parse(source)
    assert meant in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        "{% comment %}{% else if a %}{% endcomment %}",
        "{% raw %}{% else if a %}{% endraw %}",
        "{% if a %}{%- else -%}{% endif %}",
        "{% if a %}x{% elsif b %}{% endif %}",
        "{{ 'else if' }}",
    ],
)
def test_what_is_no_else_with_a_condition_is_taken(source: str) -> None:
    assert parse(source)


def test_a_version_of_the_first_engine_keeps_an_else_with_a_condition() -> None:
    parsed = parse("{% if a %}1{% else if b %}2{% endif %}", engine=FIRST)
    assert parsed.render({}, Meter()) == "2"
