"""MJML is compiled when it is saved, and its Liquid markup is kept."""

from contextlib import suppress

import pytest

from apps.templates import rendering
from apps.templates.compiling.mjml import LOADED, MjmlError, compile_mjml, is_mjml, refuse_mistakes
from apps.templates.compiling.mjml_rules import ATTRIBUTES
from apps.templates.engine.syntax import TemplateSyntaxError
from apps.templates.models import TemplateVersion
from apps.templates.rendering import EmailContent
from tests.templates.conftest import EMAIL, Api, pointers

NEWS = """<mjml><mj-body><mj-section><mj-column>
{% if vip %}<mj-text>Dear {{ name | append: "<b>" }}{% if a < 1 %}!{% endif %}</mj-text>{% endif %}
{% for item in items %}<mj-button href="{{ item.link }}">{{ item.name }}</mj-button>{% endfor %}
</mj-column></mj-section></mj-body></mjml>"""


def test_mjml_is_stored_as_source_and_sent_as_html(api: Api) -> None:
    answer = api.post("", EMAIL | {"html": NEWS}).json()

    assert answer["html"] == NEWS
    assert answer["variables"] == ["items", "link", "name"]
    pinned = rendering.pin("welcome", language=None, locale=None)
    items = [{"name": "<One>", "link": "https://e.com/1"}, {"name": "Two", "link": "javascript:x"}]
    content = rendering.render(
        pinned.version_id, {"name": "Ada", "vip": True, "items": items, "link": "x"}
    )
    assert isinstance(content, EmailContent)
    assert content.html is not None
    assert "mj-" not in content.html.replace("mj-column", "").replace("mj-outlook", "")
    assert "Dear Ada<b>" in content.html
    assert 'href="https://e.com/1"' in content.html
    assert "&lt;One&gt;" in content.html
    assert "javascript" not in content.html


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        (
            '<mjml>\n<mj-body><mj-include path="/etc/passwd"/></mj-body></mjml>',
            "mj-include is not offered",
        ),
        ("<mjml><mj-body><mj-section></mj-body></mjml>", "MJML: unexpected end"),
        ("<mjml>" + "<mj-body>" * 20_000, "MJML: it does not compile"),
    ],
)
def test_mjml_that_does_not_compile_is_refused(api: Api, source: str, detail: str) -> None:
    response = api.post("", EMAIL | {"html": source})

    assert response.status_code == 400
    assert pointers(response) == [("/html", "template_syntax")]
    assert detail in response.json()["errors"][0]["detail"]
    assert not TemplateVersion.objects.exists()


def test_the_place_of_an_include_is_reported() -> None:
    source = '<mjml><mj-body>é{{ name }}\n<mj-include path="x"/></mj-body></mjml>'

    with pytest.raises(MjmlError) as caught:
        compile_mjml(source)

    assert caught.value.index == source.index("mj-include")


def test_liquid_errors_in_mjml_have_the_place_in_the_source(api: Api) -> None:
    response = api.post("", EMAIL | {"html": "<mjml>\n{{ a | nope }}</mjml>"})

    assert response.json()["errors"][0]["detail"] == "line 2, column 8: unknown filter 'nope'"


def in_column(content: str) -> str:
    return (
        f"<mjml><mj-body><mj-section><mj-column>{content}</mj-column></mj-section></mj-body></mjml>"
    )


BUTTON = in_column('<mj-button href="https://example.com">Go</mj-button>')


@pytest.mark.parametrize(
    ("source", "before"),
    [
        ("{% comment %}Winter{% endcomment %}" + BUTTON, "{% comment %}Winter{% endcomment %}"),
        ("{% assign a = 1 %}\n" + BUTTON, "{% assign a = 1 %}\n"),
        ("{% capture a %}x{% endcapture %}" + BUTTON, "{% capture a %}x{% endcapture %}"),
        ("<!-- ours --> {% assign a = 1 %}" + BUTTON, "<!-- ours --> {% assign a = 1 %}"),
        ('<?xml version="1.0"?>\n' + BUTTON, '<?xml version="1.0"?>\n'),
        (BUTTON.replace("mj", "MJ"), ""),
        (BUTTON.replace("<mjml>", "").replace("</mjml>", ""), ""),
        ("{% assign a = 1 %}" + BUTTON.removeprefix("<mjml>").removesuffix("</mjml>"),
         "{% assign a = 1 %}"),
    ],
)  # fmt: skip
def test_what_an_author_takes_for_mjml_is_compiled(source: str, before: str) -> None:
    assert is_mjml(source)
    compiled = compile_mjml(source)
    assert compiled.startswith(f"{before}<!doctype html>")
    assert 'href="https://example.com"' in compiled
    assert "<mj" not in compiled.lower()


def test_each_branch_of_a_condition_may_have_a_document() -> None:
    source = "{% if vip %}" + BUTTON + "{% else %}" + in_column("<mj-text>Hi</mj-text>")
    compiled = compile_mjml(source + "{% endif %}")
    assert compiled.count("<!doctype html>") == 2
    assert compiled.startswith("{% if vip %}<!doctype")
    assert compiled.endswith("</html>{% endif %}")


@pytest.mark.parametrize(
    ("source", "place", "detail"),
    [
        (in_column("\n<mj-buton>x</mj-buton>"), (2, 2), "there is no element 'mj-buton'"),
        (in_column("\n<mj-text colour='red'>x</mj-text>"), (2, 10), "'mj-text' has no attribute"),
        (in_column("<mj-text>\n<mj-button>x</mj-button></mj-text>"), (2, 2), "cannot stand in"),
        ("<p>Hi</p>\n  <mj-button>x</mj-button>", (2, 4), "an element of MJML"),
        ("<p>Hi</p>\n<mjml></mjml>", (2, 2), "an element of MJML"),
        ("<p>Hi</p>\n<mj-buton>x</mj-buton>", (2, 2), "an element of MJML"),
        (in_column("{{ a }}\n{{ b }}<mj-foo/>"), (2, 9), "there is no element 'mj-foo'"),
        ("{% assign a = 1 %}\n" + in_column("\n<mj-image/><mj-text a='1'/>"), (3, 21), "'a'"),
    ],
)
def test_what_mjml_does_not_have_is_refused_with_its_place(
    api: Api, source: str, place: tuple[int, int], detail: str
) -> None:
    response = api.post("", EMAIL | {"html": source})

    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["detail"].startswith(f"line {place[0]}, column {place[1]}: MJML: ")
    assert detail in error["detail"]


@pytest.mark.parametrize(
    "source",
    [
        in_column("<!-- <mj-foo> --><mj-text>x</mj-text>"),
        in_column("<mj-text {{ style }}>x</mj-text>"),
        in_column('<mj-text color="{{ color }}" css-class="a">x <b title="mj-foo">y</b></mj-text>'),
        "<mjml><mj-head><mj-attributes><mj-all font-size='9px'/></mj-attributes></mj-head></mjml>",
        "<mjml><mj-head><mj-attributes><mj-class a='1'/></mj-attributes></mj-head></mjml>",
        "<p>mj-button &lt;mj-button&gt;</p>",
        in_column("<mj-raw><p>x</p></mj-raw>"),
    ],
)
def test_what_mjml_has_is_taken(source: str) -> None:
    refuse_mistakes(source)


def test_the_examples_of_every_element_compile() -> None:
    elements = [name for name in ATTRIBUTES if name not in {"mjml", "mj-include"}]
    assert len(elements) > 25
    for name in elements:
        refuse_mistakes(f"<mjml><{name}></{name}></mjml>")


def test_a_compiled_mail_loads_nothing_of_hosts_that_its_author_did_not_name() -> None:
    text = in_column("<mj-text font-family='Roboto, Ubuntu'>x</mj-text>")
    assert LOADED.search(compile_mjml(text)) is None
    font = text.replace(
        "<mj-body>",
        "<mj-head><mj-font name='Roboto' href='https://fonts.example.com/r.css'/></mj-head><mj-body>",
    )
    assert "https://fonts.example.com/r.css" in compile_mjml(font)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("<mj-social><mj-social-element name='facebook'/></mj-social>", "mj-social-element"),
        (
            "<mj-accordion><mj-accordion-element></mj-accordion-element></mj-accordion>",
            "mj-accordion",
        ),
        (
            "<mj-carousel><mj-carousel-image src='https://e.com/a.png'/></mj-carousel>",
            "mj-carousel",
        ),
    ],
)
def test_pictures_of_other_hosts_are_refused_and_can_be_replaced(content: str, name: str) -> None:
    source = in_column(content)
    with pytest.raises(MjmlError, match=f"'{name}' would load a picture of") as refused:
        compile_mjml(source)
    assert refused.value.index == source.index(f"<{name}") + 1


@pytest.mark.parametrize(
    "source",
    [
        "<!--" * 60_000,
        "<mjml>" * 40_000,
        "<mj-a '" * 30_000,
        "<mj-a \"'" * 30_000,
        " " * 200_000 + "x",
        "{{ a }}" * 20_000 + "<p>",
        "<mjml>" + "<mj-text>" * 20_000,
    ],
)
def test_looking_for_mistakes_takes_linear_time(source: str) -> None:
    """With a quadratic search this test does not end before the suite's time limit."""
    is_mjml(source)
    with suppress(TemplateSyntaxError):
        refuse_mistakes(source)
