"""A template gives access to no code, no file and no object except its variables."""

from typing import Any

import pytest
from liquid.exceptions import LiquidError
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.notifications.models import Notification, SandboxMessage
from apps.templates.engine.limits import Meter
from apps.templates.engine.sandbox import HTML, TEXT, Sandbox
from apps.templates.engine.syntax import TemplateSyntaxError, parse
from apps.users.models import User
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, template

VARIABLES: dict[str, Any] = {
    "name": "Ada",
    "number": 7,
    "list": [1, 2],
    "object": {"a": {"b": 1}},
    "nothing": None,
}

# Expressions that reach Python in other template languages. Here the name is undefined: no output.
UNREACHABLE = [
    "name.__class__",
    "name.__class__.__mro__[1].__subclasses__",
    "name['__class__']",
    "name.format",
    "name.upper",
    "number.real",
    "number.__class__.__base__",
    "list.append",
    "list.__len__",
    "object.items",
    "object.keys",
    "object.__class__",
    "object.a.__dict__",
    "object['__init__']['__globals__']",
    "nothing.__class__",
    "self",
    "self.__init__.__globals__",
    "cycler.__init__.__globals__.os",
    "request",
    "settings.SECRET_KEY",
    "config",
    "_context",
    "context",
    "environment",
    "globals",
    "forloop.__class__",
]
REFUSED = [
    "{% include 'secret' %}",
    "{% render 'secret' %}",
    "{% include '../../etc/passwd' %}",
    "{% layout 'x' %}",
    "{% extends 'x' %}",
    "{% block x %}{% endblock %}",
    "{% import 'os' %}",
    "{% load static %}",
    "{% debug %}",
    "{% liquid assign a = 1 %}",
    "{% increment a %}",
    "{% tablerow a in list %}{% endtablerow %}",
    "{{ name | attr: '__class__' }}",
    "{{ name | safe }}",
    "{{ name | raw }}",
    "{{ name | eval }}",
    "{{ 'ls' | system }}",
    "{{ name | base64_decode }}",
    "{{ object | inspect }}",
    "{{ name.upper() }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ 7 * 7 }}",
    "{{ lambda: 1 }}",
]
# Filters that read a property of objects whose name the template gives.
LOOKING_IN = [
    "{{ list | map: '__class__' }}",
    "{{ list | where: '__class__' }}",
    "{{ list | sort: '__class__' }}",
    "{{ list | sum: '__class__' }}",
    "{{ object | map: '__class__' }}",
    "{{ name | size }}{{ name | map: 'format' }}",
]


def rendered(source: str, *, html: bool = False) -> str:
    return parse(source, html=html).render(VARIABLES, Meter())


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("path", UNREACHABLE)
def test_no_path_reaches_python_objects(path: str, html: bool) -> None:  # noqa: FBT001 - a parameter.
    for source in (
        f"[{{{{ {path} }}}}]",
        f"[{{% for a in list limit: 1 %}}{{{{ {path} }}}}{{% endfor %}}]",
        f"[{{% assign a = {path} %}}{{{{ a }}}}]",
        f"[{{% if {path} %}}yes{{% endif %}}]",
    ):
        assert rendered(source, html=html) == "[]", source


@pytest.mark.parametrize("source", REFUSED)
def test_features_of_other_template_languages_are_refused_when_saved(source: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        parse(source)


@pytest.mark.parametrize("source", LOOKING_IN)
def test_no_filter_reads_python_attributes(source: str) -> None:
    try:
        said = rendered(source)
    except (LiquidError, TemplateSyntaxError):
        return
    for trace in ("class", "function", "method", "object at", "<"):
        assert trace not in said


@pytest.mark.parametrize("environment", [TEXT, HTML])
def test_a_template_cannot_load_another(environment: Sandbox) -> None:
    with pytest.raises(LiquidError):
        environment.get_template("welcome")


def test_only_filters_and_tags_on_the_list_exist() -> None:
    tags = "assign break capture case comment continue cycle for if unless"
    parts_of_every_template = {"#", "content", "illegal", "output"}
    assert set(TEXT.tags) == {*tags.split(), *parts_of_every_template}
    assert set(TEXT.tags) == set(HTML.tags)
    assert set(TEXT.filters) == set(HTML.filters)
    assert {"safe", "eval", "attr", "system"}.isdisjoint(TEXT.filters)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "said", ["{{ name }}", "{% for i in (1..9) %}x{% endfor %}", "{{ 7 | x }}"]
)
def test_a_value_is_never_read_as_a_template(alice: User, said: str) -> None:
    template("echo", content={"subject": "s", "body": "[{{ a }}]", "html": "[{{ a }}]"})
    row = accepted(alice, template_code="echo", variables={"a": said, "name": "SECRET"})
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    kept = SandboxMessage.objects.get()
    assert kept.text == f"[{said}]"
    assert "SECRET" not in kept.html


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["__proto__", "__class__", "a.b", "", "a b", "forloop", "é"])
def test_an_unusual_variable_name_is_harmless(shop: APIClient, alice: User, name: str) -> None:
    row = accepted(alice, variables={"name": "Ada", "link": "x", name: {"__class__": 1}})
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    assert Notification.objects.get().status == "delivered"
    assert SandboxMessage.objects.get().text == "Hello Ada, see x"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "source",
    [
        "{% for a in (1..9999) %}{% for b in (1..9999) %}x{% endfor %}{% endfor %}",
        "{% assign a = 'lol' %}" + "{% assign a = a | append: a %}" * 40 + "{{ a }}",
    ],
)
def test_an_endless_template_fails_its_own_message_only(alice: User, source: str) -> None:
    template("endless", content={"subject": "s", "body": source})
    rows = [accepted(alice, template_code="endless"), accepted(alice)]
    deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)
    found = Notification.objects.order_by("pk").values_list("status", "reason")
    assert list(found) == [("failed", "template_error"), ("delivered", "")]
