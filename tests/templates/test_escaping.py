"""Values of variables are text in an HTML body, never markup or a script."""

from typing import Any

import pytest

from apps.templates.engine.limits import Meter
from apps.templates.engine.syntax import parse

EVIL = '<b onclick="x()">\'&'
HARMLESS = "&lt;b onclick=&#34;x()&#34;&gt;&#39;&amp;"


def html(source: str, **variables: Any) -> str:
    return parse(source, html=True).render(variables, Meter())


@pytest.mark.parametrize(
    "source",
    [
        "{{ a }}",
        "{{ a | escape }}",
        "{{ a | strip }}",
        "{{ l | join: ', ' }}",
        "{{ l | first }}",
        "{{ l }}",
        "{{ nothing | default: a }}",
        "{% assign x = a %}{{ x }}",
        "{% capture x %}{{ a }}{% endcapture %}{{ x }}",
        "{% for i in l %}{{ i }}{% endfor %}",
        "{% cycle a %}",
        "{{ a | newline_to_br }}",
        "{{ a | strip_newlines }}",
    ],
)
def test_values_are_escaped_exactly_once(source: str) -> None:
    assert html(source, a=EVIL, l=[EVIL]) == HARMLESS


def test_the_markup_of_the_author_is_not_escaped() -> None:
    assert html("<i>{{ '<b>' | append: a }}</i>", a="<u>") == "<i><b>&lt;u&gt;</i>"


def test_values_in_plain_text_are_not_escaped() -> None:
    assert parse("{{ a }}").render({"a": EVIL}, Meter()) == EVIL


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        " JavaScript:alert(1)",
        "java\tscript:alert(1)",
        "\x01javascript:alert(1)",
        "vbscript:x",
        "data:text/html,<script>",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize(
    "source",
    [
        '<a href="{{ u }}">',
        "<a href='{{ u }}'>",
        "<a href={{ u }}>",
        '<a class="x" HREF = "{{ u | strip }}">',
        '<a href="{% if u %}{{ u }}{% endif %}">',
        '<a href="{% case 1 %}{% when 1 %}{{ u }}{% endcase %}">',
        '{% for i in l %}<a href="{{ i }}">{% endfor %}',
        '{% capture c %}{{ u }}{% endcapture %}<a href="{{ c }}">',
    ],
)
def test_a_url_with_a_forbidden_scheme_is_replaced(source: str, address: str) -> None:
    rendered = html(source, u=address, l=[address])

    assert "script" not in rendered.lower()
    assert "file" not in rendered
    assert "#" in rendered


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("https://example.com/?a=1&b=2", "https://example.com/?a=1&amp;b=2"),
        ("mailto:ada@example.com", "mailto:ada@example.com"),
        ("/path?x=1:2", "/path?x=1:2"),
        ('x" onclick="y', "x&#34;%20onclick=&#34;y"),
    ],
)
def test_an_allowed_url_is_rendered_and_cannot_leave_its_attribute(
    address: str, written: str
) -> None:
    assert html("<a href={{ u }}>", u=address) == f"<a href={written}>"


def test_a_variable_within_a_url_is_only_escaped() -> None:
    assert html('<a href="https://e.com/?q={{ q }}">', q="a:b") == '<a href="https://e.com/?q=a:b">'
