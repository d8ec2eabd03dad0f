"""No template and no variables keep a worker busy: each is refused or rendered with little work.

Work is CPU time, measured in renderings of an ordinary digest of 500 items in the same test, so
that a slow or busy machine does not matter. A digest takes 13 ms on two cores of a small machine,
and the slowest template of this file takes as long as about two digests.
"""

import time
from typing import Any

import pytest
from liquid.exceptions import LiquidError

from apps.templates.engine.limits import Meter
from apps.templates.engine.syntax import Parsed, parse

LONG = "x" * 90_000
DIGEST = (
    "{% for item in items %}<p>{{ forloop.index }}. <a href='{{ item.link }}'>"
    "{{ item.name }}</a>{% if item.price %} {{ item.price | times: 1.2 | round: 2 }}{% endif %}"
    "</p>{% endfor %}"
)
ITEMS = {
    "items": [{"name": f"N{n}", "link": "https://example.com/", "price": n} for n in range(500)]
}
DIGESTS = 5


def seconds_and_error(parsed: Parsed, variables: dict[str, Any]) -> tuple[float, str]:
    """Render once; return the CPU time in seconds and the error message, which may be empty."""
    error = ""
    began = time.process_time()
    meter = Meter()
    try:
        meter.admit(variables)
        parsed.render(variables, meter)
    except LiquidError as refusal:
        error = str(refusal.message)
    return time.process_time() - began, error


def digests_and_error(source: str, variables: dict[str, Any], *, html: bool) -> tuple[float, str]:
    """Return the work in digests (each the best of alternating runs), and the error.

    Another process on the same core can only add to a CPU time, so a result over the limit is
    measured again, three times as often, before it counts.
    """
    tried, digest = parse(source, html=html), parse(DIGEST, html=True)
    rounds = []
    for runs in (3, 9):
        rounds += [
            (seconds_and_error(digest, ITEMS), seconds_and_error(tried, variables))
            for _ in range(runs)
        ]
        yardstick = min(seconds for (seconds, _), _ in rounds)
        seconds, error = min(one for _, one in rounds)
        if seconds < DIGESTS * yardstick:
            break
    return seconds / yardstick, error


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "billion laughs": ("{% assign a = 'lol' %}" + "{% assign a = a | append: a %}" * 40, {}),
    "captures": (
        "{% assign a = 'lol' %}" + "{% capture a %}{{ a }}{{ a }}{% endcapture %}" * 40,
        {},
    ),
    "captures in a loop": (
        "{% for i in (1..999) %}{% capture a %}{{ a }}{{ a }}x{% endcapture %}{% endfor %}",
        {},
    ),
    "nested loops": ("{% for a in (1..999) %}" * 3 + "x" + "{% endfor %}" * 3, {}),
    "deep loops": ("{% for a in (1..2) %}" * 15 + "x" + "{% endfor %}" * 15, {}),
    "loops in a row": ("{% for a in (1..9999) %}{{ a }}{% endfor %}" * 50, {}),
    "a huge range": ("{% for a in (1..1000000000) %}{% endfor %}", {}),
    "a huge range, reversed": ("{% for a in (1..1000000000) reversed %}{% endfor %}", {}),
    "a range of the caller's": ("{% for a in (1..n) %}x{% endfor %}", {"n": 10**30}),
    "loops without output": (
        "{% for a in (1..9999) %}{% if 1 == 2 %}{% endif %}{% endfor %}" * 9,
        {},
    ),
    "many branches": (
        "{% for a in (1..999) %}{% if 1 == 2 %}"
        + "{% elsif 1 == 2 %}" * 200
        + "{% endif %}{% endfor %}",
        {},
    ),
    "one block for many values": (
        "{% for a in (1..999) %}{% case 1 %}{% when "
        + "1," * 400
        + "1 %}x{% endcase %}{% endfor %}",
        {},
    ),
    "cycle": ("{% for a in (1..9999) %}{% cycle " + "'a'," * 100 + "'a' %}{% endfor %}", {}),
    "replace": ("{{ a | replace: 'x', '" + "y" * 800 + "' }}", {"a": LONG}),
    "replace nothing": ("{{ a | replace: '', '" + "y" * 800 + "' }}", {"a": LONG}),
    "join": ("{{ a | split: '' | join: b }}", {"a": "x" * 9_000, "b": LONG}),
    "split": ("{{ a | split: '' | size }}", {"a": LONG}),
    "many splits": ("{{ a | split: 'y' | size }}" * 100, {"a": "xy" * 4_900}),
    "concat": (
        "{% assign l = 'a,b' | split: ',' %}" + "{% assign l = l | concat: l %}" * 40,
        {},
    ),
    "times": ("{% assign n = 999999 %}" + "{% assign n = n | times: n %}" * 40, {}),
    "a long number": ("{{ n | plus: 1 }}", {"n": 10**900}),
    "a long text for a number": ("{{ n | plus: 1 }}", {"n": "9" * 90_000}),
    "a wide date": ("{{ '2026-01-01' | date: f }}", {"f": "%999999999Y"}),
    "many dates": (
        "{% for a in (1..3000) %}{{ 0 | date: '" + "%Y-%m-%d " * 11 + "' }}{% endfor %}",
        {},
    ),
    "many dates in words": (
        "{% for a in (1..3000) %}{{ 0 | date: '" + "%A" * 50 + "' }}{% endfor %}",
        {},
    ),
    "many dates by weeks": (
        "{% for a in (1..3000) %}{{ 0 | date: '" + "%U" * 50 + "' }}{% endfor %}",
        {},
    ),
    "many offsets": ("{% for a in (1..3000) %}{{ 0 | date: '" + "%z" * 50 + "' }}{% endfor %}", {}),
    "many short forms": (
        "{% for a in (1..3000) %}{{ 0 | date: f }}{% endfor %}",
        {"f": "%c" * 50},
    ),
    "many amounts": ("{% for a in (1..3000) %}{{ 1e9 | money: 'EUR' }}{% endfor %}", {}),
    "contains": (
        "{% if a contains b %}1{% endif %}" * 400,
        {"a": "a" * 90_000, "b": "a" * 98 + "b"},
    ),
    "deep comparison": (
        "{% if a == b %}1{% endif %}" * 900,
        {"a": [[1] * 100] * 100, "b": [[1] * 100] * 100},
    ),
    "sort": ("{{ a | sort | join }}" * 30, {"a": [str(n * 7919 % 9000) for n in range(9_000)]}),
    "uniq": ("{{ a | uniq | size }}" * 30, {"a": [[n] for n in range(4_000)]}),
    "where": ("{{ a | where: 'k', b }}" * 30, {"a": [{"k": "x" * 30}] * 5_000, "b": "y"}),
    "map": ("{{ a | map: 'k' | join }}" * 30, {"a": [{"k": "x" * 9}] * 5_000}),
    "strip_html": ("{{ a | strip_html }}" * 50, {"a": "<" * 90_000}),
    "output": ("{{ a }}" * 3_000, {"a": "x" * 40_000}),
    "text": ("{% for i in (1..9999) %}" + "y" * 20_000 + "{% endfor %}", {}),
    "objects": ("{{ a }}" * 100, {"a": {str(n): n for n in range(9_000)}}),
    "long links": ('<a href="{{ a }}">' * 900, {"a": "java\tscript:" * 7_500}),
    "long styles": ('<p style="{{ a }}">' * 900, {"a": "/*url (" * 12_000}),
    "many links": ('{% for i in (1..9000) %}<a href="{{ i }}">{% endfor %}', {}),
    "variables": ("{{ a }}", {"a": [LONG] * 20}),
}


@pytest.mark.parametrize("html", [False, True], ids=["text", "html"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_malicious_template_is_refused_with_little_work(name: str, html: bool) -> None:  # noqa: FBT001 - a parameter.
    source, variables = REFUSED[name]

    digests, error = digests_and_error(source, variables, html=html)

    assert error != ""
    assert digests < DIGESTS


WORST: dict[str, tuple[str, dict[str, Any]]] = {
    "outputs": ("{{ a }}" * 12_000, {"a": 1}),
    "paths": ("{{ a.b.c.d }}" * 8_000, {"a": {"b": {"c": {"d": 1}}}}),
    "filters": ("{{ a | upcase | downcase | capitalize | strip }}" * 2_500, {"a": "x" * 30}),
    "conditions": (
        "{% for i in (1..3000) %}{% if a and b or c %}{{ i }}{% endif %}{% endfor %}",
        {"a": 1, "b": 1},
    ),
    "links": (
        '{% for i in (1..2000) %}<a href="{{ a }}{{ i }}">{% endfor %}',
        {"a": "java script:"},
    ),
    "styles": (
        '{% for i in (1..1500) %}<p style="color:{{ a }}">{% endfor %}',
        {"a": "u/**/rl(x)"},
    ),
    "loop properties": ("{% for i in (1..5000) %}{{ forloop.rindex }}{% endfor %}", {}),
}


@pytest.mark.parametrize("name", WORST)
def test_the_most_expensive_allowed_templates_are_rendered_with_little_work(name: str) -> None:
    source, variables = WORST[name]

    digests, error = digests_and_error(source, variables, html=True)

    assert error == ""
    assert digests < DIGESTS


def test_all_fields_of_a_message_share_one_work_limit() -> None:
    parsed = parse("{% for i in (1..3000) %}{{ i }}{% endfor %}")
    meter = Meter()
    for _ in range(2):
        parsed.render({}, meter)

    with pytest.raises(LiquidError, match="more work than is allowed"):
        parsed.render({}, meter)


def test_a_digest_of_five_hundred_items_is_well_within_the_limits() -> None:
    assert parse(DIGEST, html=True).render(ITEMS, Meter()).count("<p>") == 500
