"""How numbers, dates and objects are written, and which values are errors."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel.localedata import locale_identifiers
from hypothesis import given
from hypothesis.strategies import datetimes, sampled_from
from liquid.exceptions import LiquidError

from apps.templates.engine.limits import Meter
from apps.templates.engine.releases import FIRST
from apps.templates.engine.sandbox import RenderOptions
from apps.templates.engine.syntax import TemplateSyntaxError, parse

AT = "2026-12-24T18:30:05Z"


def render(
    source: str,
    *,
    language: str = "en",
    timezone: str = "UTC",
    is_preview: bool = False,
    html: bool = False,
    **variables: Any,
) -> str:
    options = RenderOptions(language=language, timezone=timezone, is_preview=is_preview)
    # The spaces of CLDR do not break, which is right in a mail and unreadable in a test.
    written = parse(source, html=html).render(variables, Meter(), options)
    return written.replace("\xa0", " ").replace("\u202f", " ")


def error_of(source: str, **variables: Any) -> str:
    with pytest.raises(LiquidError) as refused:
        render(source, **variables)
    return str(refused.value.message)


@pytest.mark.parametrize(
    ("source", "value", "written"),
    [
        ("{{ x }}", ["a", None, 1], "a1"),
        ("{{ x }}", {"a": 1, "b": None}, '{"a": 1, "b": null}'),
        ("{{ x }}", [{"a": True}], '{"a": true}'),
        ("{{ x | json }}", {"a": [1, None]}, '{"a": [1, null]}'),
        ("{{ x | json }}", None, "null"),
        ("{{ x | json }}", "ä", '"ä"'),
        ("{{ x | append: '!' }}", {"a": None}, '{"a": null}!'),
        ("{{ x | upcase }}", ["a", None], "A"),
        ("{{ x | join: '-' }}", [{"a": 1}, None, "b"], '{"a": 1}--b'),
        ("{{ x | append: '!' }}", True, "true!"),
        ("{{ x | join: ',' }}", [True, False], "true,false"),
        ("{{ x.first }}|{{ x.size }}", {"email": "a@example.com"}, "|"),
        ("{{ x.first }}|{{ x.size }}", {"first": "Ada", "size": "XL"}, "Ada|XL"),
        ("{{ x.first }}|{{ x.last }}|{{ x.size }}", ["a", "b"], "a|b|2"),
        ("{{ x | first }}", {"email": "a@example.com"}, ""),
        ("{{ x | last }}", {"email": "a@example.com"}, ""),
    ],
)
def test_a_value_is_written_as_liquid_and_json_do(source: str, value: Any, written: str) -> None:
    assert render(source, x=value) == written


def test_json_is_escaped_in_html_and_bounded() -> None:
    assert render("<p>{{ x | json }}</p>", html=True, x={"a": "<"}) == (
        "<p>{&#34;a&#34;: &#34;&lt;&#34;}</p>"
    )
    assert "100000 characters" in error_of("{{ x | json | size }}", x=["y" * 90_000, "y" * 90_000])


@pytest.mark.parametrize("engine", [FIRST, 2])
def test_an_object_has_its_own_keys_only_in_every_engine(engine: int) -> None:
    source = "Dear {{ customer.first }},"
    variables = {"customer": {"email": "ada@example.com"}}
    assert parse(source, engine=engine).render(variables, Meter()) == "Dear ,"


@pytest.mark.parametrize(
    ("source", "language", "value", "written"),
    [
        ("{{ x | number }}", "en", 1234.5, "1,234.5"),
        ("{{ x | number }}", "de", 1234.5, "1.234,5"),
        ("{{ x | number }}", "de-CH", 1234.5, "1'234.5"),
        ("{{ x | number }}", "en-IN", 1234567.5, "12,34,567.5"),
        ("{{ x | number }}", "de", 100.0, "100"),
        ("{{ x | number: 2 }}", "de", 12.5, "12,50"),
        ("{{ x | number: 0 }}", "de", 12.5, "13"),
        ("{{ x | number: 2 }}", "en", 0.125, "0.13"),
        ("{{ x | number: 2 }}", "en", "19.99", "19.99"),
        ("{{ x | number }}", "tlh", 1.5, "1.5"),
        ("{{ x | money: 'EUR' }}", "de", 12.5, "12,50 €"),
        ("{{ x | money: 'EUR' }}", "en", 12.5, "€12.50"),
        ("{{ x | money: 'JPY' }}", "en", 1250, "¥1,250"),
        ("{{ x | money: 'EUR' }}", "de-AT", 1234.5, "€ 1.234,50"),
        ("{{ x | money: 'USD' }}", "en", -3, "-$3.00"),
        ("{{ x | divided_by: 100.0 | money: 'EUR' }}", "de", 1999, "19,99 €"),
        ("{{ x | percent }}", "en", 0.19, "19%"),
        ("{{ x | percent }}", "de", 0.19, "19 %"),
        ("{{ x | percent: 1 }}", "de", 0.125, "12,5 %"),
        ("{{ x | percent: 1 }}", "tr", 0.125, "%12,5"),
    ],
)
def test_numbers_are_written_in_the_language_of_the_version(
    source: str, language: str, value: Any, written: str
) -> None:
    assert render(source, language=language, x=value) == written


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ x | times: 2 }}", "times: the variable 'x' is not a number"),
        ("{{ 2 | times: x }}", "times: the variable 'x' is not a number"),
        ("{{ o.price | plus: 1 }}", "plus: the variable 'o.price' is not a number"),
        ("{{ l[0].price | plus: 1 }}", "plus: the variable 'l[0].price' is not a number"),
        ("{{ x | append: '!' | minus: 1 }}", "minus: the value made from 'x' is not a number"),
        ("{{ x | number }}", "number: the variable 'x' is not a number"),
        ("{{ x | money: 'EUR' }}", "money: the variable 'x' is not a number"),
        ("{{ 5 | money: x }}", "money: the variable 'x' is not a currency, such as 'EUR'"),
        ("{{ x | date: '%Y' }}", "date: the variable 'x' is not a date"),
        ("{{ t | date: x }}", None),
        ("{{ t | date: '%H', x }}", "date: the variable 'x' is not a time zone"),
        ("{{ nothing | times: 2 }}", "times: the variable 'nothing' is missing"),
        ("{{ o.absent | times: 2 }}", "times: the variable 'o.absent' is missing"),
        ("{{ 5 | number: x }}", "number: the variable 'x' is not a number"),
        ("{{ yes | plus: 1 }}", "plus: the variable 'yes' is not a number"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_that_names_the_variable(
    source: str, message: str | None
) -> None:
    variables: dict[str, Any] = {
        "x": "12,50",
        "t": AT,
        "yes": True,
        "nothing": None,
        "o": {"price": "12,50"},
        "l": [{"price": "a"}],
    }
    if message is None:
        assert render(source, **variables) == "12,50"
        return
    said = error_of(source, **variables)
    assert said.startswith(message)
    assert "12,50" not in said, "the value may be personal"


@pytest.mark.parametrize("value", ["nan", "inf", "1_000", "٣", "0x10", "1e999", "9" * 41, "", " "])
def test_what_python_takes_for_a_number_and_nobody_else_is_none(value: str) -> None:
    assert "not a number" in error_of("{{ x | plus: 1 }}", x=value)


def test_a_preview_prints_nothing_for_what_is_missing() -> None:
    source = "{{ a | times: 2 }}{{ b | date: '%Y' }}{{ c | money: 'EUR' }}."
    assert render(source, is_preview=True) == "."
    with pytest.raises(LiquidError):
        render(source, is_preview=True, a="12,50")


@pytest.mark.parametrize(
    ("source", "language", "written"),
    [
        ("{{ x | date: '%d. %B %Y' }}", "de", "24. Dezember 2026"),
        ("{{ x | date: '%A, %d. %b' }}", "de", "Donnerstag, 24. Dez."),
        ("{{ x | date: '%d %B' }}", "ru", "24 декабря"),
        ("{{ x | date: '%B %Y' }}", "ru", "декабрь 2026"),
        ("{{ x | date: '%a %-d %b' }}", "pt-BR", "qui. 24 dez."),
        ("{{ x | date: '%B' }}", "tlh", "December"),
        ("{{ x | date: '%I:%M %p' }}", "en", "06:30 PM"),
        ("{{ x | date: '%k:%M' }}", "en", "18:30"),
        ("{{ x | date: '%l:%M%P' }}", "en", " 6:30pm"),
        ("{{ x | date: '%e/%-m/%y' }}", "en", "24/12/26"),
        ("{{ x | date: '%^a %^B' }}", "en", "THU DECEMBER"),
        ("{{ x | date: '%j %U %V %u %w %C %G %g' }}", "en", "358 51 52 4 4 20 2026 26"),
        ("{{ x | date: '%s %L %3N %N' }}", "en", "1798137005 000 000 000000000"),
        ("{{ x | date: '%c' }}", "en", "Thu Dec 24 18:30:05 2026"),
        ("{{ x | date: '%D %F %R %T %r %x %X %v %h' }}", "en",
         "12/24/26 2026-12-24 18:30 18:30:05 06:30:05 PM 12/24/26 18:30:05 24-Dec-2026 Dec"),
        ("{{ x | date: '%z %:z %Z %%%n%t' }}", "en", "+0000 +00:00 UTC %\n\t"),
        ("{{ x | date: '%_m|%_d|%-H|%0e' }}", "en", "12|24|18|24"),
        ("{{ x | date }}", "de", "2026-12-24"),
    ],
)  # fmt: skip
def test_dates_have_the_formats_of_liquid_and_words_of_the_language(
    source: str, language: str, written: str
) -> None:
    assert render(source, language=language, x=AT) == written


ZONES = ["UTC", "America/St_Johns", "America/New_York", "Asia/Kathmandu", "Africa/Monrovia"]


@given(datetimes(datetime(1900, 1, 2), datetime(9998, 12, 30)), sampled_from(ZONES))  # noqa: DTZ001 - as they stand.
def test_days_weeks_and_offsets_are_those_of_strftime(at: datetime, zone: str) -> None:
    shown = at.replace(tzinfo=ZoneInfo(zone))
    # strftime adds the seconds of old offsets to them.
    offset = shown.strftime("%z")[:5]

    written = render("{{ x | date: '%j %U %W %z' }}", timezone=zone, x=at.isoformat())

    assert written == f"{shown.strftime('%j %U %W')} {offset}"


@pytest.mark.parametrize("hour", ["06", "18"])
def test_every_language_has_words_for_dates_and_forms_for_numbers(hour: str) -> None:
    words = "{{ x | date: '%A %a %B %b %p %P' }}"
    source = words + " {{ n | number }} {{ n | money: 'EUR' }} {{ n | percent: 1 }}"
    wanting = [
        language
        for language in (name.replace("_", "-") for name in locale_identifiers())
        if len(render(source, language=language, x=f"2026-12-24T{hour}:30", n=-1234.5).split()) < 9
    ]
    assert wanting == []


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "6 PM pm"),
        ("de", "6 PM pm"),
        ("sq", "6 m.d. m.d."),
        ("ja", "6 午後 午後"),
    ],
)
def test_half_of_the_day_has_its_word_or_that_of_all_languages(language: str, written: str) -> None:
    assert render("{{ x | date: '%-I %p %P' }}", language=language, x="2026-12-24T18:30") == written


@pytest.mark.parametrize(
    ("source", "value", "written"),
    [
        ("{{ x | date: '%d. %H:%M' }}", AT, "24. 19:30"),
        ("{{ x | date: '%d. %H:%M', 'America/New_York' }}", AT, "24. 13:30"),
        ("{{ x | date: '%H:%M', zone }}", AT, "03:30"),
        ("{{ x | date: '%H:%M', zone: 'UTC' }}", AT, "18:30"),
        ("{{ x | date: '%H:%M %z' }}", "2026-07-01T12:00:00+00:00", "14:00 +0200"),
        ("{{ x | date: '%H:%M' }}", "2026-12-24T18:30:05+05:00", "14:30"),
        ("{{ x | date: '%d. %H:%M' }}", 1798137005, "24. 19:30"),
        # What a clock on the wall shows is the same in any zone.
        ("{{ x | date: '%d. %H:%M' }}", "2026-12-24T18:30", "24. 18:30"),
        ("{{ x | date: '%d. %H:%M' }}", "2026-12-24", "24. 00:00"),
        ("{{ x | date: '%d.' }}", "20261224", "24."),
    ],
)
def test_a_time_is_written_in_the_zone_of_the_recipient(
    source: str, value: Any, written: str
) -> None:
    assert render(source, timezone="Europe/Berlin", x=value, zone="Asia/Tokyo") == written


def test_now_is_the_time_of_sending_in_the_zone_of_the_recipient() -> None:
    before = datetime.now(UTC)
    written = int(render("{{ 'now' | date: '%s' }}"))
    assert before.timestamp() - 1 <= written <= datetime.now(UTC).timestamp()
    assert render("{{ 'now' | date: '%z' }}", timezone="Asia/Tokyo") == "+0900"


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        ("a\n{{ d | date: '%q' }}", 2, 14, "the unknown directive '%q'"),
        ("{{ d | date: '%' }}", 1, 14, "the unknown directive '%'"),
        ("{{ d | date: '" + "%c" * 9 + "' }}", 1, 14, "more than 50 directives"),
        ("{{ d | date: '%999Y' }}", 1, 14, "the unknown directive '%9"),
        ("{{ d | date: '%Y', 'Mars/Base' }}", 1, 20, "is not a time zone"),
        ("{{ d | date: '%Y', zone: 'Mars' }}", 1, 26, "is not a time zone"),
        ("{{ x | money: 'EURO' }}", 1, 15, "is not a currency"),
        ("{{ x | money: 'eur' }}", 1, 15, "is not a currency"),
        ("{{ x | number: 11 }}", 1, 16, "is not a number of decimals"),
        ("{{ x | times: '12,50' }}", 1, 15, "times: '12,50' is not a number"),
        ("{{ '12,50' | times: 2 }}", 1, 4, "times: '12,50' is not a number"),
        ("{{ 'soon' | date: '%Y' }}", 1, 4, "date: 'soon' is not a date"),
        ("{% assign a = 'x' | plus: 1 %}{{ a }}", 1, 15, "plus: 'x' is not a number"),
        ("{{ x | money }}", 1, 8, "does not take these arguments"),
    ],
)
def test_a_literal_that_cannot_be_right_is_refused_with_its_place(
    source: str, line: int, column: int, message: str
) -> None:
    with pytest.raises(TemplateSyntaxError) as refused:
        parse(source)
    (problem,) = refused.value.problems
    assert message in problem.message
    assert (problem.line, problem.column) == (line, column)


def test_a_version_of_the_first_engine_may_still_say_it() -> None:
    parsed = parse("{{ '12,50' | times: 2 }} {{ 'soon' | date: '%Y' }}", engine=FIRST)
    assert parsed.render({}, Meter()) == "0 soon"


@pytest.mark.parametrize("name", ["json", "money", "number", "percent"])
def test_the_first_engine_does_not_know_the_filters_of_the_second(name: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=f"unknown filter '{name}'"):
        parse("{{ x | " + name + " }}", engine=FIRST)
