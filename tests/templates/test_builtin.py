"""The built-in texts are complete in every language and can be sent."""

import tomllib

import pytest

from apps.templates.builtin import texts
from apps.templates.builtin.texts import (
    FOLDER,
    FOR_OPERATORS,
    LANGUAGES,
    VARIABLES,
    code_of,
    language_for,
    languages_of,
    render,
)
from apps.templates.composing import RenderError
from apps.templates.content import check

FILLED = {
    "name": "Ada & <b>",
    "link": "https://example.com/a?token=x%3Ay",
    "until": "2026-11-28 14:05 (Europe/Berlin)",
    "where": "notify.example.com",
    "title": "The breaker of smtp is open",
    "said": "The breaker of smtp is open. Calls failed.",
    "over": "The breaker of smtp is not open any more.",
    "since": "2026-11-28 14:05 UTC",
    "lasted": "12 minutes",
    "advice": "Look at what the provider says.",
    "page": "Providers",
    "runbook": "docs/runbook.md#notificationsbreakeropen",
}
TEXTS = [(mail, language) for mail in VARIABLES for language in sorted(languages_of(mail))]


def test_every_text_exists_in_every_language() -> None:
    assert sorted(LANGUAGES) == ["ar", "de", "en", "fr"]
    english = tomllib.loads((FOLDER / "en.toml").read_text(encoding="utf-8"))
    assert set(english) == set(VARIABLES)
    english = {mail: pieces for mail, pieces in english.items() if mail not in FOR_OPERATORS}
    for language in LANGUAGES - {"en"}:
        written = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
        written.pop("direction", None)
        assert {mail: set(pieces) for mail, pieces in written.items()} == {
            mail: set(pieces) for mail, pieces in english.items()
        }, language


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_no_text_has_a_character_that_html_must_escape(language: str) -> None:
    written = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    written.pop("direction", None)
    pieces = [piece for mail in written.values() for piece in mail.values()]
    assert [piece for piece in pieces if set("<>&") & set(piece)] == []


@pytest.mark.parametrize(("mail", "language"), TEXTS)
def test_a_text_uses_exactly_its_variables_and_shows_the_plain_link(
    mail: str, language: str
) -> None:
    parsed = texts._parsed(mail, language)
    used = {name for field in parsed.fields.values() for name in field.used}
    assert used == VARIABLES[mail]
    content = render(code_of(mail), language=language, variables=FILLED)
    assert content.html is not None
    for text in (content.text, content.html):
        assert "https://example.com/a?token=x%3Ay" in text
        assert FILLED["since" if mail in FOR_OPERATORS else "until"] in text
        assert "$" not in text
        assert "{{" not in text
    assert "<b>" not in content.html
    assert "<script" not in content.html
    check("email", {"subject": content.subject, "body": content.text, "html": content.html})


def test_arabic_is_right_to_left_with_isolated_dates_and_names() -> None:
    content = render(code_of("reset-password"), language="ar", variables=FILLED)
    assert content.html is not None
    assert '<html lang="ar" dir="rtl">' in content.html
    for text in (content.text, content.html):
        assert f"\u2066{FILLED['until']}\u2069" in text
    assert f"\u2068{FILLED['name']}\u2069" in content.text


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("de-CH", "de"),
        ("ar", "ar"),
        ("fr-CA-x-a", "fr"),
        ("zh-Hant", "en"),
        ("", "en"),
        ("?", "en"),
    ],
)
def test_the_language_is_that_of_the_locale_or_english(locale: str, language: str) -> None:
    assert language_for(locale) == language


@pytest.mark.parametrize(
    ("code", "language", "missing"),
    [
        ("system:other", "en", None),
        ("system:reset-password", "xx", None),
        ("system:notice-over", "de", None),
        ("system:reset-password", "en", "link"),
    ],
)
def test_a_missing_text_language_or_variable_is_an_error(
    code: str, language: str, missing: str | None
) -> None:
    variables = {name: value for name, value in FILLED.items() if name != missing}
    with pytest.raises(RenderError):
        render(code, language=language, variables=variables)
