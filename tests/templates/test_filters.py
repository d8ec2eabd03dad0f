"""Liquid filters that are our own or limited."""

from typing import Any

import pytest
from liquid.exceptions import LiquidError

from apps.templates.engine.limits import Meter
from apps.templates.engine.syntax import parse


def render(source: str, **variables: Any) -> str:
    return parse(source).render(variables, Meter())


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("{{ '2026-03-04T05:06:07Z' | date: '%Y-%m-%d %H:%M:%S' }}", "2026-03-04 05:06:07"),
        ("{{ '2026-03-04' | date: '%-d %B %Y, %A' }}", "4 March 2026, Wednesday"),
        ("{{ '2026-03-04T05:06:07+02:00' | date: '%H:%M %z' }}", "03:06 +0000"),
        ("{{ 0 | date: '%Y-%m-%dT%H:%M' }}", "1970-01-01T00:00"),
        ("{{ '1772600767' | date }}", "2026-03-04"),
        ("{{ '2026-03-04T15:06:07Z' | date: '%-l %p, 100%%' }}", "3 PM, 100%"),
        ("{{ 'a,b,,a' | split: ',' | uniq | join: '-' }}", "a-b-"),
        ("{{ 'a  b' | split: ' ' | size }}", "2"),
        ("{{ 'abc' | split: '' | reverse | join: '' }}", "cba"),
        ("{{ '<b>x</b> < y' | strip_html }}", "x < y"),
        ("{{ 'aXbX' | replace: 'X', '-' }}", "a-b-"),
        ("{{ 19.99 | times: 3 | round: 2 }}", "59.97"),
        ("{{ 'abcdef' | truncate: 5 }}", "ab..."),
        ("{{ nothing | append: '!' }}", "!"),
    ],
)
def test_a_filter_returns_what_authors_expect(source: str, result: str) -> None:
    assert render(source) == result


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1 | divided_by: 0 }}",
        "{{ 1e9 | slice: 1 }}{{ 'a' | slice: 'b' }}",
        "{{ l | sort }}",
        "{{ 'a' | concat: 'b' }}",
    ],
)
def test_an_unsuitable_value_is_a_template_error(source: str) -> None:
    with pytest.raises(LiquidError):
        render(source, l=[1, "a", {}])


def test_now_is_the_time_of_rendering() -> None:
    assert render("{{ 'now' | date: '%Y' }}").isdecimal()
