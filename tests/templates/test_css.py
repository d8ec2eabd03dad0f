"""The rules of style sheets are put into the elements when a version is saved."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.templates import rendering
from apps.templates.compiling import css, separate_process
from apps.templates.compiling.css import UnusableCss, inlined
from apps.templates.compiling.mjml import compile_mjml
from apps.templates.models import TemplateVersion
from apps.templates.rendering import EmailContent
from tests.templates.conftest import EMAIL, Api, pointers

RED = "<style>p { color: red }</style>"
RED_P = '<p style="color: red;">'
PIECES = (
    RED,
    "<p>",
    "</p>",
    '<p class="a">',
    "<p class='{{ a }}'>",
    "<p style='color:{{ a }}'>",
    "<p style=margin:0>",
    "<table>",
    "<tr><td>",
    "</table>",
    "{% if a %}",
    "{% else %}",
    "{% endif %}",
    "{{ a }}",
    "<!--[if mso]><p><![endif]-->",
    "&amp; < >",
    '<p title="a > b">',
    "<br/>",
    "<style>.a > p:hover { margin: 0 } @media print { p { color: blue } }</style>",
)


def test_a_version_is_stored_as_source_and_sent_with_styles_in_its_elements(api: Api) -> None:
    source = RED + "<p>Hello {{ name }}</p>"

    answer = api.post("", EMAIL | {"html": source}).json()

    assert answer["html"] == source
    pinned = rendering.pin("welcome", language=None, locale=None)
    content = rendering.render(pinned.version_id, {"name": "<Ada>", "link": "x"})
    assert isinstance(content, EmailContent)
    assert content.html == RED + RED_P + "Hello &lt;Ada&gt;</p>"


def test_html_without_a_style_sheet_stays_as_it_is(api: Api) -> None:
    api.post("", EMAIL | {"html": "<p style='x:y'>Hello {{ name }}</p>"})

    assert "html_compiled" not in TemplateVersion.objects.get().content


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>a</p>", f"{RED_P}a</p>"),
        ("<p class=x>", '<p style="color: red;" class=x>'),
        ("<P/>", '<P style="color: red;"/>'),
        # What the element says itself comes last, so that it wins.
        ('<p style="color:blue">', '<p style="color: red;color:blue">'),
        ("<p style='color:{{ c }}'>", "<p style='color: red;color:{{ c }}'>"),
        ("<p style=color:blue>", '<p style="color: red;color:blue">'),
        # A browser would move the loop out of the table.
        (
            "<table>{% for i in items %}<tr><td><p>{{ i }}</p></td></tr>{% endfor %}</table>",
            "<table>{% for i in items %}<tr><td>"
            + RED_P
            + "{{ i }}</p></td></tr>{% endfor %}</table>",
        ),
        ("<!--[if mso]><p><![endif]--><b>", "<!--[if mso]><p><![endif]--><b>"),
        ('<b title="<p>">', '<b title="<p>">'),
        ("<textarea><p></textarea>", "<textarea><p></textarea>"),
    ],
)
def test_only_styles_are_added(source: str, expected: str) -> None:
    assert inlined(RED + source) == RED + expected


@pytest.mark.parametrize(
    ("sheet", "style"),
    [
        ("p{color:{{ brand }}}", "color: {{ brand }};"),
        ("p{color:red!important}", "color: red!important;"),
        ("p{color:red} p{color:blue}", "color: blue;"),
        ("@media print{p{margin:0}} p{color:red} p:hover{color:blue}", "color: red;"),
        ('p{font-family:"Segoe UI"}', "font-family: &quot;Segoe UI&quot;;"),
        ("p{background:url(a?b&c)}", "background: url(a?b&amp;c);"),
    ],
)
def test_declarations_are_written_as_the_value_of_an_attribute(sheet: str, style: str) -> None:
    written = inlined(f"<style>{sheet}</style><p>").replace("'Segoe UI'", "&quot;Segoe UI&quot;")

    assert written.replace("'a?b&amp;c'", "a?b&amp;c") == (
        f'<style>{sheet}</style><p style="{style}">'
    )


@pytest.mark.parametrize(
    "source",
    [
        # Whether a rule applies is decided when the message is rendered.
        "<style>p{ {% if dark %}color:white{% endif %} }</style><p>",
        "{% if dark %}<style>p{color:white}</style>{% endif %}<p>",
        "<style>.{{ name }} p{color:white}</style><p>",
        "<style>p:nth-child(2){color:red}</style>{% for i in items %}<p>{% endfor %}",
        "<style>p + p{color:red}</style>{% if a %}<p>{% endif %}<p>",
        "<style>p:empty{color:red}</style><p>",
        # They are meant for other readers.
        "<style media='print'>p{color:red}</style><p>",
        "<style data-css-inline='ignore'>p{color:red}</style><p>",
        "<!--[if mso]><style>p{color:red}</style><![endif]--><p>",
        "<style>p{}</style><p>",
        "<style></style>",
    ],
)
def test_a_document_whose_rules_depend_on_more_is_left_alone(source: str) -> None:
    assert inlined(source) == source


def test_an_order_without_liquid_is_known() -> None:
    sheet = "<style>b + p{color:red}</style>"

    assert inlined(sheet + "<b></b><p>") == sheet + "<b></b>" + RED_P


@pytest.mark.parametrize(
    "source",
    [
        '<div class="{{ kind }}"><p>a</p></div>',
        "<div id='{% if a %}b{% endif %}'><p>a</p></div>",
        "{% if a %}<div class='a'>{% else %}<div class='b'>{% endif %}<p>a</p></div></div>",
        "{% if link %}<a>{% endif %}<p>a</p>{% if link %}</a>{% endif %}",
        "{% capture part %}<p>a</p>{% endcapture %}",
    ],
)
def test_elements_that_liquid_decides_about_keep_to_the_style_sheet(source: str) -> None:
    assert inlined(f"{RED}{source}<i></i><p>b</p>") == f"{RED}{source}<i></i>{RED_P}b</p>"


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_without_the_added_styles_every_byte_is_that_of_the_source(pieces: list[str]) -> None:
    source = "".join(pieces)

    found = re.sub(r' style="color: red;"|color: red;', "", inlined(source))

    assert re.sub(r'style="(margin:0)"', r"style=\1", found) == source


def test_inline_styles_of_mjml_leave_loops_in_their_tables() -> None:
    written = compile_mjml(
        '<mjml><mj-head><mj-style inline="inline">.a td { color: {{ brand }} }</mj-style></mj-head>'
        '<mj-body><mj-section><mj-column><mj-table css-class="a">'
        "{% for i in items %}<tr><td>{{ i }}</td></tr>{% endfor %}"
        "</mj-table></mj-column></mj-section></mj-body></mjml>"
    )

    assert (
        "{% for i in items %}<tr>"
        '<td style="color: {{ brand }};">{{ i }}</td></tr>{% endfor %}</table>' in written
    )
    assert ".a td" not in written


def test_inline_styles_of_mjml_that_liquid_decides_about_are_a_style_sheet() -> None:
    sheet = "{% if dark %}.a td { color: white }{% endif %}"
    written = compile_mjml(
        f"<mjml><mj-head><mj-style inline='inline'>{sheet}</mj-style></mj-head><mj-body>"
        "<mj-section><mj-column><mj-text>a</mj-text></mj-column></mj-section></mj-body></mjml>"
    )

    assert f'<style type="text/css">{sheet}</style></head>' in written


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("<b>\n" + RED + "<i>" * 30_000, "CSS: it does not compile"),
        (
            "<b>\n<style>p{"
            + "color:red;" * 1_000
            + "--x:"
            + "y" * 900
            + "}</style>"
            + "<p>" * 900,
            "at most 500000 are possible",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_its_place(
    api: Api, source: str, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separate_process, "TIMEOUT_SECONDS", 1)

    response = api.post("", EMAIL | {"html": source})

    assert response.status_code == 400
    assert pointers(response) == [("/html", "template_syntax")]
    (error,) = response.json()["errors"]
    assert error["detail"].startswith("line 2, column 1")
    assert detail in error["detail"]
    assert not TemplateVersion.objects.exists()


def test_a_compiler_cannot_take_all_memory() -> None:
    declarations = "".join(f"--a{number}:red;" for number in range(3_000))

    with pytest.raises(UnusableCss):
        inlined(f"<style>p{{{declarations}}}</style>" + "<p>" * 20_000)


@pytest.mark.parametrize(
    "source",
    [
        '<a "' * 50_000,
        "<a " * 60_000,
        "<" * 200_000,
        "<!--" * 50_000,
        '<p title="' * 20_000,
        "<p>" * 40_000 + "</b>" * 40_000,
        "<style>p{a:b}" + '"\\' * 60_000 + "</style>",
        "<style>p{a:b}" + "/*" * 60_000 + "</style>",
    ],
)
def test_reading_takes_linear_time(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Quadratic time would be minutes. What css-inline needs itself is bounded by its process.
    monkeypatch.setattr(css, "compiled_by", lambda _program, source: source)

    assert inlined(RED + source).startswith(RED)
