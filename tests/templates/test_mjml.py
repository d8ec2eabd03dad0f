"""MJML is compiled when it is saved, and its Liquid markup is kept."""

import pytest

from apps.templates import rendering
from apps.templates.mjml import MjmlError, compile_mjml
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
