"""Syntax errors are found by the parser, with line and column."""

import time

import pytest

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
        ("{{ a b }}", "line 1, column 6: expected end of expression, found word"),
        ("é\né {{ a | nope }}", "line 2, column 10: unknown filter 'nope'"),
        ("{{ a | safe }}", "line 1, column 8: unknown filter 'safe'"),
        ("{{ a | times }}", "line 1, column 8: the filter 'times' does not take these arguments"),
        ("{% break %}", "line 1, column 4: 'break' outside of a loop"),
        ("{{ (1..9) }}", "line 1, column 4: a range can only stand in a 'for'"),
        ("{% if a %}\nb", "line 2, column 2: expected tag endif, found the end"),
        ("{% raw %}x", "line 1, column 1: 'raw' without 'endraw'"),
        ("{{ }}", "line 1, column 6: expected a primitive expression, found the end"),
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
