"""No variable can make an executable link, wherever it is in the HTML of a mail."""

import html
import re
from typing import Any

import pytest

from apps.templates.compiling.masking import LIQUID
from apps.templates.content import COMPILED_HTML, check
from apps.templates.engine.limits import Meter
from apps.templates.engine.syntax import parse
from tests.templates.links import (
    FORBIDDEN_URLS,
    CollectedLinks,
    checked_and_parsed,
    rendered,
    schemes_of,
)

# Two or three variables that are harmless individually.
PARTED = [
    ("java", "script:alert(1)", ""),
    ("", "javascript:alert(1)", ""),
    ("", "", "javascript:alert(1)"),
    ("javascript", ":", "alert(1)"),
    ("j", "avascript:", "alert(1)"),
    ("java\t", "\nscript", ":alert(1)"),
    ("data", ":text/html", ",<script>"),
]
ONE_VARIABLE = [
    '<a href="{{ a }}">',
    "<a href='{{ a }}'>",
    '<a href=" {{ a }} ">',
    '<A HREF\n=\n"{{ a }}">',
    '<a class="x"href="{{ a }}">',
    '<a/href="{{ a }}"/>',
    '<a title="a>b" href="{{ a }}">',
    '<a title=\'"\' href="{{ a }}">',
    '<a href="{{ a }}{{ b }}">',
    '<a href="{{ b }}{{ a }}">',
    '<a href="{% if b %}x{% endif %}{{ a }}">',
    '<a href="{% if a %}{{ a }}{% else %}https://example.com{% endif %}">',
    '<a href="{% case 1 %}{% when 1 %}{{ b }}{{ a }}{% endcase %}">',
    '<a href="{% for i in l %}{{ i }}{% endfor %}">',
    '{% for i in l %}<a href="{{ i }}">{% endfor %}',
    '<a href="{% cycle a %}">',
    '<a href="{{ b | append: a }}">',
    '{% capture c %}{{ a }}{% endcapture %}<a href="{{ c }}">',
    '{% capture c %}<a href="{{ a }}">{% endcapture %}{{ c }}',
    '<a href="{% capture c %}{{ a }}{% endcapture %}{{ b }}{{ c }}">',
    '{% assign c = a %}<a href="{{ c }}">',
    '<a {% if a %}href{% else %}title{% endif %}="{{ a }}">',
    '<a {% unless b %}class="x"{% endunless %} href="{{ a }}">',
    '{% if b %}<p>{% else %}<br>{% endif %}<a href="{{ a }}">',
    '<script>x("<a href=")</script><a href="{{ a }}">',
    '<!-- <a title=" --><a href="{{ a }}">',
    '<!--[if mso]><v:rect href="{{ a }}"><![endif]-->',
    '<!--[if mso]><a title="x"><![endif]--><a href="{{ a }}">',
    '<!--[if !mso]><!--><a href="{{ a }}"><!--<![endif]-->',
    '{{ "<a href=" }}"{{ a }}">',
    '<a href="{% raw %}{% endraw %}{{ a }}">',
    '<a href="{% comment %}x{% endcomment %}{{ a }}">',
    '<a href="{% if b %} {% endif %}{{ a }}">',
    '<img src="{{ a }}">',
    '<form action="{{ a }}">',
    '<button formaction="{{ a }}">',
    '<td background="{{ a }}">',
    '<video poster="{{ a }}">',
    '<svg><a xlink:href="{{ a }}"></a></svg>',
    '<svg><set attributeName="href" to="{{ a }}"/></svg>',
    '<base href="{{ a }}">',
    '<img srcset="{{ a }} 2x">',
    '<img srcset="https://example.com/1.png 1x, {{ a }} 2x">',
]


@pytest.mark.parametrize("evil", FORBIDDEN_URLS)
@pytest.mark.parametrize("source", ONE_VARIABLE)
def test_a_url_with_a_forbidden_scheme_becomes_a_hash_link(source: str, evil: str) -> None:
    document = checked_and_parsed(source).render({"a": evil, "b": "", "l": [evil]}, Meter())
    # Some clients read the content of a comment.
    document = re.sub(r"<!--\[if !?mso\]>|<!\[endif\]-->", "", document)
    assert schemes_of(document) <= {"https"}
    assert "#" in "".join(CollectedLinks(document).addresses)


@pytest.mark.parametrize("element", ["title", "textarea", "script", "style", "xmp"])
def test_a_tag_within_raw_text_is_not_a_tag(element: str) -> None:
    source = f'<{element}><a title="</{element}  ><a href="{{{{ a }}}}">'
    assert rendered(source, a="javascript:x") == source.replace("{{ a }}", "#")


SEVERAL = [
    '<a href="{{ a }}{{ b }}{{ c }}">',
    "<a href='{{ a }}{{ b }}{{ c }}'>",
    '<a href="{{ a }}{% if true %}{{ b }}{% endif %}{{ c }}">',
    '<a href="{% for one in l %}{{ one }}{% endfor %}">',
    '<a href="{{ l | join: "" }}">',
    '<a href="{% cycle a, b, c %}{% cycle a, b, c %}{% cycle a, b, c %}">',
    '<a href="{% capture x %}{{ a }}{% endcapture %}{{ x }}{{ b }}{{ c }}">',
]


@pytest.mark.parametrize("parts", PARTED)
@pytest.mark.parametrize("source", SEVERAL)
def test_a_url_in_several_variables_is_checked_as_a_whole(
    source: str, parts: tuple[str, str, str]
) -> None:
    variables = dict(zip("abc", parts, strict=True)) | {"l": list(parts)}
    document = checked_and_parsed(source).render(variables, Meter())
    assert CollectedLinks(document).addresses == ["#"]


@pytest.mark.parametrize(
    ("source", "variables", "written"),
    [
        ('<a href="{{ a }}:{{ b }}">', {"a": "javascript", "b": "alert(1)"}, "#:"),
        ('<a href="{{ a }}:{{ b }}">', {"a": "mailto", "b": "a@example.com"}, None),
        ('<a href="java{{ a }}">', {"a": "script:alert(1)"}, "java#"),
        ('<a href="{{ a }}script:x">', {"a": "java"}, "#script:x"),
        ('<a href="{{ a }}&#58;x">', {"a": "javascript"}, "#:x"),
        ('<a href="{{ a }}&colon;x">', {"a": "javascript"}, "#:x"),
        ('<a href="&#{{ a }};avascript:x">', {"a": "106"}, "&##;avascript:x"),
        ('<a href="java&Tab;{{ a }}">', {"a": "script:x"}, "java\t#"),
    ],
)
def test_the_literal_part_of_a_url_is_checked_with_the_variables(
    source: str, variables: dict[str, str], written: str | None
) -> None:
    document = rendered(source, **variables)
    expected = written or ":".join(variables.values())
    assert CollectedLinks(document).addresses == [expected]


@pytest.mark.parametrize(
    ("source", "address", "written"),
    [
        ('<a href="{{ a }}">', "https://example.com/?a=1&b=2#c", None),
        ('<a href="{{ a }}">', "HTTPS://example.com", None),
        ('<a href="{{ a }}">', " https://example.com/a b ", "https://example.com/a%20b"),
        ('<a href="{{ a }}">', "mailto:ada@example.com", None),
        ('<a href="{{ a }}">', "tel:+43123", None),
        ('<a href="{{ a }}">', "/path?x=1:2", None),
        ('<a href="{{ a }}">', "../a:b", None),
        ('<a href="{{ a }}">', "//example.com/x", None),
        ('<a href="{{ a }}">', "", None),
        ('<a href="{{ a }}">', "#top", None),
        ('<a href="{{ a }}">', '"><b onclick="x', '"><b%20onclick="x'),
        # An entity in a value is text.
        ('<a href="{{ a }}">', "&#106;avascript:x", None),
        ('<a href="https://example.com/{{ a }}">', "a:b c", "https://example.com/a:b c"),
        ('<a href="https:{{ a }}">', "x:y", "https:x:y"),
        ('<a href="/{{ a }}">', "javascript:x", "/javascript:x"),
        ('<a href="?q={{ a }}">', "javascript:x", "?q=javascript:x"),
        (
            '<a href="{% case a %}{% when "1" %}https://a/{% else %}/{% endcase %}{{ a }}">',
            "javascript:x",
            "/javascript:x",
        ),
        (
            '{% if a %}<a href="https://a.example/{% else %}<a href="/{% endif %}{{ a }}">',
            "javascript:x y",
            "https://a.example/javascript:x y",
        ),
        ('<img srcset="{{ a }} 2x">', "https://example.com/1.png", "https://example.com/1.png 2x"),
    ],
)
def test_an_allowed_url_is_not_changed(source: str, address: str, written: str | None) -> None:
    document = checked_and_parsed(source).render({"a": address}, Meter())
    assert CollectedLinks(document).addresses == [address if written is None else written]


@pytest.mark.parametrize(
    ("style", "value", "good"),
    [
        ("background:url({{ a }})", "https://example.com/x.png", True),
        ("background:url('{{ a }}')", "javascript:x", False),
        ("color:{{ a }}", "#ff0000", True),
        ("color:{{ a }}", "red;background:url(javascript:x)", False),
        ("color:{{ a }}", "red;background:u\\72l( data:text/html )", False),
        ("color:{{ a }}", "red;width:expression(alert(1))", False),
        ("color:{{ a }}", "red;width:exp/**/ression(alert(1))", False),
        ("color:{{ a }}", "red;behavior:url(x.htc)", False),
        ("scroll-behavior:{{ a }}", "smooth", True),
    ],
)
@pytest.mark.parametrize("frame", ['<p style="%s">', "<style>p { %s }</style>"])
def test_a_style_opens_no_bad_scheme(frame: str, style: str, value: str, good: bool) -> None:  # noqa: FBT001 - a parameter.
    source = frame % style
    document = html.unescape(checked_and_parsed(source).render({"a": value}, Meter()))
    assert document == source.replace("{{ a }}", value if good else "")


MJML = """<mjml><mj-head><mj-title>{{ t }}</mj-title></mj-head><mj-body><mj-hero
 background-url="{{ u }}" background-width="600px" background-height="400px"><mj-text>Hi {{ t }}
</mj-text></mj-hero><mj-section background-url="{{ u }}/bg.png"><mj-column><mj-image
 src="{{ u }}/{{ t }}.png" href="{{ u }}" alt="{{ t }}"/><mj-button href="{{ u }}{{ v }}">{{ t }}
</mj-button><mj-social><mj-social-element name="x"
 src="{{ u }}/x.png" href="{{ u }}">x</mj-social-element></mj-social>
<mj-navbar base-url="{{ u }}"><mj-navbar-link href="/{{ t }}">{{ t }}</mj-navbar-link></mj-navbar>
<mj-raw><p title="{{ t }}">{{ t }}</p></mj-raw></mj-column></mj-section></mj-body></mjml>"""


@pytest.mark.parametrize(
    "values",
    [
        {"u": "https://example.com", "v": "/x?a=1&b=2", "t": "A <b> & 'c'"},
        {"u": "javascript:alert(1)", "v": "javascript:alert(1)", "t": "javascript:alert(1)"},
        {"u": "java", "v": "script:alert(1)", "t": ""},
        {"u": "", "v": "", "t": ""},
        {"u": 'x" onclick="y', "v": "\tz z\n", "t": "  "},
    ],
)
def test_text_outside_of_outputs_never_changes(values: dict[str, str]) -> None:
    content = check("email", {"subject": "s", "body": "b", "html": MJML}).stored
    compiled = content[COMPILED_HTML]
    document = parse(compiled, html=True).render(values, Meter())
    literals = LIQUID.split(compiled)
    assert len(literals) > 15
    whole = re.compile("(.*?)".join(map(re.escape, literals)), re.DOTALL)
    found = whole.fullmatch(document)
    assert found is not None
    # Outputs are the escaped values or the link "#".
    outside = re.sub(r"<!--\[if[^\]]*\]>|<!\[endif\]-->", "", document)
    assert schemes_of(outside) <= {"https", "http"}


def test_the_allowed_schemes_are_a_setting(settings: Any) -> None:
    source = '<a href="{{ a }}">'
    assert rendered(source, a="sms:+43123") == '<a href="#">'
    settings.LINK_SCHEMES = frozenset({"sms"})
    assert rendered(source, a="sms:+43123") == '<a href="sms:+43123">'
    assert rendered(source, a="https://example.com") == '<a href="#">'
