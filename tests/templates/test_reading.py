"""Which variables a template requires, and which it uses at all."""

import pytest

from apps.templates.engine.releases import FIRST
from apps.templates.engine.syntax import parse


@pytest.mark.parametrize(
    ("source", "required", "used"),
    [
        ("Hi {{ name }}", {"name"}, {"name"}),
        ("Hi {{ name | default: 'you' }}", set(), {"name"}),
        ("Hi {{ name | upcase | default: other }}", {"other"}, {"name", "other"}),
        ("{% if name %}Hi {{ name }}{% endif %}", set(), {"name"}),
        ("{% if name %}{% endif %}Hi {{ name }}", {"name"}, {"name"}),
        ("{% if plan == 'a' %}{{ price }}{% endif %}", {"price"}, {"plan", "price"}),
        ("{% if a and b %}{{ a }}{{ b }}{% else %}{{ c }}{% endif %}", {"c"}, {"a", "b", "c"}),
        ("{% if a %}x{% elsif b %}{{ b }}{% endif %}", set(), {"a", "b"}),
        ("{% unless a %}x{% else %}{{ a }}{% endunless %}", set(), {"a"}),
        ("{% case plan %}{% when gold %}{{ plan }}{{ x }}{% endcase %}", {"x"}, None),
        ("{{ order.total }} {{ order.items[0].name }}", {"order.total", "order.items"}, {"order"}),
        ("{{ items.size }}{{ user.first }}", {"items.size", "user.first"}, {"items", "user"}),
        ("{% if order.coupon %}{{ order.saved }}{% endif %}", set(), {"order"}),
        (
            "{% for i in items %}{{ i.name }}{{ forloop.index }}{{ x }}{% endfor %}",
            {"items", "x"},
            None,
        ),
        ("{% for i in items %}x{% else %}{{ i }}{% endfor %}", {"items", "i"}, None),
        ("{% for i in (1..count) %}{{ i }}{% endfor %}", {"count"}, {"count"}),
        ("{% if items %}{% for i in items %}{{ i }}{% endfor %}{% endif %}", set(), {"items"}),
        ("{% assign x = name | default: 'a' %}{{ x }}", set(), {"name"}),
        ("{% assign name = name | default: 'a' %}{{ name }}", set(), {"name"}),
        ("{{ x }}{% assign x = 1 %}", {"x"}, {"x"}),
        ("{% capture x %}{{ name }}{% endcapture %}{{ x }}", {"name"}, {"name"}),
        ("{{ list[index] }}", {"list", "index"}, {"list", "index"}),
        ("{% cycle a, 'b' %}", {"a"}, {"a"}),
        ("{% raw %}{{ a }}{% endraw %}{% comment %}{{ b }}{% endcomment %}", set(), set()),
        ("no variables", set(), set()),
    ],
)
def test_a_variable_is_required_where_it_is_used_without_a_test_or_a_default(
    source: str, required: set[str], used: set[str] | None
) -> None:
    parsed = parse(source)

    assert parsed.required == required
    if used is not None:
        assert parsed.used == used


def test_the_first_engine_takes_a_property_of_a_list_for_no_key() -> None:
    assert parse("{{ items.size }}{{ user.first }}", engine=FIRST).required == {"items", "user"}
