"""A mail without a text gets one, made from its HTML."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.templates import rendering
from apps.templates.compiling.plain_text import text_of, tidied
from apps.templates.engine.syntax import parse
from apps.templates.models import TemplateVersion
from apps.templates.rendering import EmailContent
from tests.templates.conftest import EMAIL, PUSH, Api, pointers

WITHOUT_TEXT = {name: value for name, value in EMAIL.items() if name != "body"}
ORDER = """<html><head><title>Order</title><style>.hidden { display: none }</style></head><body>
<div class="hidden">A line for the list of mails</div>
<h1>Hello {{ name }},</h1>
<p>your   order is on
its way.<br>Thank you!</p>
{% if note %}<p>{{ note | escape }}</p>{% endif %}
<table>{% for item in items %}
  <tr class="{% cycle 'odd', 'even' %}"><td>{{ item.name }}</td> <td>{{ item.price }}</td></tr>
{% endfor %}</table>
<p><a href="{{ link }}">Track it</a></p>
</body></html>"""


def sent(api: Api, html: str, variables: dict[str, Any]) -> EmailContent:
    response = api.post("", WITHOUT_TEXT | {"html": html})
    assert response.status_code == 201, response.json()
    pinned = rendering.pin("welcome", language=None, locale=None)
    content = rendering.render(pinned.version_id, variables)
    assert isinstance(content, EmailContent)
    return content


def test_the_text_says_what_the_html_says(api: Api) -> None:
    items = [{"name": "Pen", "price": 2}, {"name": "Ink", "price": 5}]
    variables = {"name": "Ada & Co", "items": items, "link": "https://e.com/?a=1&b=2"}

    content = sent(api, ORDER, variables | {"note": "<soon>"})

    assert content.text == (
        "Hello Ada & Co,\n\nyour order is on its way.\nThank you!\n\n<soon>\n\n"
        "Pen 2\nInk 5\n\nTrack it <https://e.com/?a=1&b=2>"
    )


def test_blocks_that_write_nothing_leave_no_gaps(api: Api) -> None:
    content = sent(api, ORDER, {"name": "Ada", "items": [], "link": "x", "note": None})

    assert content.text == ("Hello Ada,\n\nyour order is on its way.\nThank you!\n\nTrack it <x>")


def test_the_answer_shows_what_was_written_and_the_preview_what_is_sent(api: Api) -> None:
    answer = api.post("", WITHOUT_TEXT | {"html": "<p>Hello {{ name }}</p>"}).json()
    preview = api.post("welcome/preview", {"variables": {"name": "Ada"}}).json()

    assert answer["body"] is None
    assert answer["variables"] == ["name"]
    assert preview["body"] == "Hello Ada"


def test_another_html_makes_another_text(api: Api) -> None:
    api.post("", WITHOUT_TEXT | {"html": "<p>One</p>"})
    read = api.get("welcome").json()

    api.put("welcome", {"subject": read["subject"], "body": read["body"], "html": "<p>Two</p>"})

    assert api.post("welcome/preview", {"variables": {}}).json()["body"] == "Two"


def test_a_text_that_is_given_is_used(api: Api) -> None:
    api.post("", EMAIL | {"html": "<p>HTML</p>", "body": "Text"})

    assert TemplateVersion.objects.get().content["body"] == "Text"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (WITHOUT_TEXT, "/body"),
        (WITHOUT_TEXT | {"html": " "}, "/body"),
        (WITHOUT_TEXT | {"body": "", "html": None}, "/body"),
        ({name: value for name, value in PUSH.items() if name != "body"}, "/body"),
    ],
)
def test_without_html_a_text_is_needed(api: Api, body: dict[str, Any], pointer: str) -> None:
    response = api.post("", body)

    assert response.status_code == 400
    assert pointer in [place for place, _ in pointers(response)]


def test_wrong_html_is_named_and_not_its_text(api: Api) -> None:
    response = api.post("", WITHOUT_TEXT | {"html": "<p>{{ a | nothing }}</p>"})

    assert pointers(response) == [("/html", "template_syntax")]


def test_mjml_makes_a_text(api: Api) -> None:
    html = (
        "<mjml><mj-head><mj-preview>Preview</mj-preview></mj-head><mj-body><mj-section><mj-column>"
        "{% for item in items %}<mj-text>{{ item }}</mj-text>{% endfor %}"
        '<mj-button href="{{ link }}">Go</mj-button></mj-column></mj-section></mj-body></mjml>'
    )

    content = sent(api, html, {"name": "Ada", "items": ["One", "Two"], "link": "https://e.com"})

    assert content.text == "One\nTwo\n\nGo <https://e.com>"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<ul><li>a</li><li>b <b>c</b></li></ul>d", "- a\n- b c\n\nd"),
        ("<ol><li>a<ul><li>b</li></ul></li></ol>", "- a\n\n- b"),
        ("<p>a</p>\n\n<p>b</p><div>c</div><div>d</div>", "a\n\nb\n\nc\nd"),
        ("a<hr>b", f"a\n\n{'-' * 20}\n\nb"),
        ("<pre>a\n  b</pre>c", "a\n  b\n\nc"),
        ("a &lt;b&gt; &amp; &eacute;&nbsp;c", "a <b> & é c"),
        ("<td>a</td><td>b</td>", "a b"),
        # Links.
        ('<a href="https://e.com">e</a>.', "e <https://e.com>."),
        ('<a href="https://e.com">https://e.com</a>', "https://e.com"),
        ('<a href="mailto:a@e.com">a@e.com</a>', "a@e.com"),
        ('<a href="#top">top</a>', "top"),
        ("<a>name</a>", "name"),
        ('<a href="https://e.com/?a&amp;b"><img alt="Logo"></a>', "Logo <https://e.com/?a&b>"),
        ('<a href="https://e.com"><img></a>', "https://e.com"),
        (
            '<a href="{% if a %}https://a{% else %}https://b{% endif %}">x</a>',
            "x <{% if a %}https://a{% else %}https://b{% endif %}>",
        ),
        # What is not seen.
        ("<script>a</script><style>{{ b }}</style><title>c</title><!-- d -->e", "e"),
        ('<div style="display: none">a {{ b }} <div>c</div></div>d', "d"),
        ("<p hidden>a</p>b", "b"),
        ("<head><title>a</title><body>b", "b"),
        # Liquid stays where it is.
        ("a {% if b %} c {% endif %} d", "a {% if b %}c {% endif %}d"),
        ("{% if a %} b {% else %} c {% endif %}", "{% if a %}b {% else %}c {% endif %}"),
        ("{% assign a = 1 %}{{ a }}", "{% assign a = 1 %}{{ a }}"),
        ("<head>{% assign a = 1 %}{{ b }}</head>{{ a }}", "{% assign a = 1 %}{{ a }}"),
        ("{% cycle 'a', 'b' %}", "{% cycle 'a', 'b' %}"),
        ("{{ a | upcase | escape }}", "{{ a | upcase }}"),
        ("{{ a | escape | upcase }}", "{{ a | upcase }}"),
        ("{{ a | newline_to_br -}}", "{{ a -}}"),
        ("{{- a -}} b", "{{- a -}} b"),
        # What only looks like Liquid.
        ("{% raw %}{{ a }}{% endraw %}", "{% raw %}{{% endraw %}{ a }}"),
        ("&#123;{{ a }}", "{% raw %}{{% endraw %}{{ a }}"),
        ("&#123;% if a %}", "{% raw %}{{% endraw %}% if a %}"),
        ("{ a }", "{ a }"),
        ("", ""),
    ],
)
def test_elements_are_written_as_text(html: str, text: str) -> None:
    parse(html, html=True)
    assert text_of(html) == text


def test_rendered_gaps_are_closed() -> None:
    assert tidied("\n\na  \n\n\n\nb \n") == "a\n\nb"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("run", [" ", "\t", "\n", " \t"])
def test_a_long_run_of_blanks_takes_linear_time(run: str) -> None:
    # Quadratic time would be a minute and more, in a worker, for each message.
    text = f"a{run * 100_000}b"

    assert tidied(text) in {text, "a\n\nb"}


PIECES = (
    "<p>",
    "</p>",
    "<td {% if a %}class='b'{% endif %}>",
    "<a href='{{ a }}'>",
    "</a>",
    "<li>",
    "a b",
    "{{ a }}",
    "{% if a %}<b>{% else %}c{% endif %}",
    "{% for b in c %}<tr><td>{{ b }}</td></tr>{% endfor %}",
    "<div style='display:none'>{% assign d = a %}{% if d %}{{ d }}{% endif %}",
    "</div>",
    "{% raw %}{{{% endraw %}",
    "&#123;%",
    "&#123;",
    "<style>{% if a %}b{% endif %}</style>",
    "<title>",
    "<!--{% if a %}--><p>{% endif %}",
    "<head>",
    "<pre>\n",
    "<img alt='{{ a }}'>",
)


@given(st.lists(st.sampled_from(PIECES), max_size=10))
def test_the_text_of_every_html_is_liquid(pieces: list[str]) -> None:
    html = "".join(pieces)
    parse(html)

    parse(text_of(html))
