"""An output in a place that cannot be made safe is refused; in older templates it is harmless."""

import html
import re

import pytest

from apps.common.rest.problems import Problem
from apps.templates.content import check
from apps.templates.engine.limits import Meter
from tests.templates.links import (
    FORBIDDEN_URLS,
    CollectedLinks,
    checked_and_parsed,
    rendered,
    schemes_of,
)

REFUSED = [
    ("<a href={{ a }}>", "quoted"),
    ("<td class={{ a }}>", "quoted"),
    ("<a href=https://example.com/{{ a }}>", "quoted"),
    ("<a href={% if a %}{{ a }}{% endif %}>", "quoted"),
    ("<a href= {{ a }}>", "quoted"),
    ("<a {{ a }}>", "quoted value"),
    ('<a {{ a }}="x">', "quoted value"),
    ('<a data-{{ a }}="x">', "quoted value"),
    ('<a x="y" {% for i in l %}{{ i }}{% endfor %}>', "quoted value"),
    ("<{{ a }}>", "quoted value"),
    ("<h{{ a }}>", "quoted value"),
    ("</{{ a }}>", "quoted value"),
    ("<a {% cycle a, b %}>", "quoted value"),
    ('<meta http-equiv="refresh" content="0;url={{ a }}">', "meta refresh"),
    ("<META HTTP-EQUIV=Refresh CONTENT='{{ a }}'>", "meta refresh"),
    ('<meta content="0;url={{ a }}" http-equiv="&#114;efresh">', "meta refresh"),
    ('<meta content="{{ a }}" {% if b %}http-equiv="refresh">{% else %}>{% endif %}', "refresh"),
    ('<meta content="{{ a }}" {% if b %}>{% else %}http-equiv="refresh">{% endif %}', "refresh"),
    ('<meta http-equiv="{{ b }}" content="{{ a }}">', "meta refresh"),
    ("<a onclick=\"go('{{ a }}')\">", "script"),
    ('<iframe srcdoc="{{ a }}">', "script"),
    ("<a href=\"javascript:go('{{ a }}')\">", "scheme"),
    ('<a href="{% if b %}{{ a }}">{% else %}">{% endif %}', "begin and end"),
    ('{% if b %}<a href="{% else %}<a href="x{% endif %}{{ a }}">', "begin and end"),
    ('{% for i in l %}<a href="{{ a }}{% break %}">{% endfor %}', "begin and end"),
    ("{% for i in l %}{% if b %}<a href='{% continue %}{% endif %}{{ a }}'>{% endfor %}", "quoted"),
    (
        '{% for i in l %}<a href="x{{ a }}{% if b %}{% break %}{% endif %}">{% endfor %}',
        "begin and",
    ),
    ('{% capture x %}<a href="{% endcapture %}{{ x }}{{ a }}">', "leaves a tag open"),
    ("{{ '<a href=\"' | append: a | append: '\">' }}", "leaves a tag open"),
    ("{% assign x = '<a href=\"' %}{{ x }}{{ a }}\">", "leaves a tag open"),
    ('<!--[if mso]><a title="--><a href="{{ a }}">', "quoted value"),
]


@pytest.mark.parametrize(("source", "says"), REFUSED)
def test_an_output_in_a_forbidden_place_is_refused_when_saved(source: str, says: str) -> None:
    with pytest.raises(Problem) as refusal:
        check("email", {"subject": "s", "body": "b", "html": f"<p>\n{source}</p>"})
    assert refusal.value.status_code == 400
    for error in refusal.value.errors:
        assert (error.pointer, error.code) == ("/html", "template_syntax")
    assert any(says in error.detail for error in refusal.value.errors)
    assert all(error.detail.startswith("line 2, column ") for error in refusal.value.errors)


@pytest.mark.parametrize(("source", "_"), REFUSED)
@pytest.mark.parametrize(
    "evil", [*FORBIDDEN_URLS, "href=javascript:alert(1)", "x onclick=alert(1)", ""]
)
def test_templates_saved_before_this_rule_are_rendered_harmlessly(
    source: str, _: str, evil: str
) -> None:
    for wanted in (True, False):
        variables = {"a": evil, "b": wanted, "l": [evil]}
        document = rendered(f"<p>{source}</p>", **variables)
        document = re.sub(r"<!--\[if mso\]>", "", document)
        found = CollectedLinks(document)
        # The author's own script is not checked.
        assert schemes_of(document) <= ({"javascript"} if "javascript" in source else {"https"})
        handlers = [value for name, value in found.attributes if name.startswith("on")]
        assert handlers in ([], ["go('')"])
        assert not any("go('j" in str(value) for _, value in found.attributes)
        for name, value in found.attributes:
            if name == "content":
                address = re.sub(r"[\x00-\x20]|^0;url=", "", str(value))
                assert not re.match(r"(java|vb)script:|data:|file:|ftp:", address, re.IGNORECASE)


@pytest.mark.parametrize(
    ("source", "value", "written"),
    [
        ("<a href={{ a }}>", "https://example.com", "<a href=https://example.com>"),
        ("<a href={{ a }} class=x>", "", "<a href=&#32; class=x>"),
        ("<td class={{ a }}>", "a b", "<td class=a&#32;b>"),
        ("<td class={{ a }}>", "", "<td class=&#32;>"),
        ("<td {{ a }}>", "nowrap", "<td nowrap>"),
        ("<td {{ a }}>", 'align="left"', "<td align34left34>"),
        ('<meta http-equiv="refresh" content="0;url={{ a }}">', "https://example.com", None),
        ('{% if a %}<a href="https://e.com/{% else %}<a href="/{% endif %}{{ a }}">', "x:y", None),
    ],
)
def test_templates_saved_before_this_rule_are_unchanged_where_harmless(
    source: str, value: str, written: str | None
) -> None:
    document = rendered(source, a=value)
    plain = re.sub(r"\{% else %\}.*?\{% endif %\}|\{%.*?%\}", "", source)
    assert document == (plain.replace("{{ a }}", value) if written is None else written)


def test_a_break_within_an_attribute_value_keeps_its_text() -> None:
    source = '{% for i in l %}<a href="x{{ a }}{% if b %}{% break %}{% endif %}">{% endfor %}'
    assert rendered(source, a="y", b=False, l=[1, 2]) == '<a href="x#"><a href="x#">'
    assert rendered(source, a="y", b=True, l=[1, 2]) == '<a href="x#'


def test_an_output_that_clients_parse_differently_is_left_empty() -> None:
    source = '<!--[if mso]><a title="--><a href="{{ a }}:{{ b }}">'
    assert rendered(source, a="javascript", b="x") == source.replace("{{ a }}:{{ b }}", ":")


ALLOWED = [
    "<p>{{ a }}</p>",
    '<p title="{{ a }}" class="x {{ a }}">',
    '<meta name="description" content="{{ a }}">',
    '<td {% if a %}class="b"{% endif %}>{{ a }}</td>',
    "<td {% if a %}nowrap{% endif %}>{{ a }}</td>",
    "<!-- {{ a }} --><title>{{ a }}</title>",
    '{% for i in l %}<tr class="{% cycle "odd", "even" %}"><td>{{ i }}</td></tr>{% endfor %}',
    '<script type="application/ld+json">{"name": "{{ a }}"}</script>',
    "{{ a | replace: '<', '' }} 1 < 2 {{ a }} a<b",
]


@pytest.mark.parametrize("source", ALLOWED)
def test_an_output_elsewhere_is_allowed_and_only_escaped(source: str) -> None:
    value = "javascript:x <&\"'"
    document = checked_and_parsed(source).render({"a": value, "l": [value]}, Meter())
    written = html.escape(value).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    assert document.count(written) == max(1, source.count("{{ a }}"))


def test_an_output_that_is_refused_in_mjml_names_its_line_in_the_source() -> None:
    raw = '<mj-raw>\n<meta http-equiv="refresh" content="0;url={{ u }}"/>\n</mj-raw>'
    source = (
        f"<mjml><mj-body><mj-section><mj-column>{raw}</mj-column></mj-section></mj-body></mjml>"
    )
    with pytest.raises(Problem) as refusal:
        check("email", {"subject": "s", "body": "b", "html": source})
    (error,) = refusal.value.errors
    assert error.detail.startswith("line 2, column 43: an output cannot stand in")
