"""Language tags and their fallbacks."""

import pytest

from apps.common.languages import canonical, fallbacks


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("EN", "en"),
        ("pt-br", "pt-BR"),
        ("ZH-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("de-CH-1996", "de-CH-1996"),
    ],
)
def test_a_language_tag_gets_its_canonical_spelling(given: str, spelled: str) -> None:
    assert canonical(given) == spelled


@pytest.mark.parametrize("given", ["", "e", "english", "pt_BR", "en-", "-en", "en-x", "en\n", "é1"])
def test_an_invalid_language_tag_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="Expected a language tag"):
        canonical(given)


@pytest.mark.parametrize(
    ("given", "chain"),
    [
        ("pt-BR", ["pt-BR", "pt"]),
        ("zh-Hant-TW", ["zh-Hant-TW", "zh-Hant", "zh"]),
        ("de-de-u-co-phonebk", ["de-DE", "de"]),
        (None, []),
        ("", []),
        ("klingon!", []),
    ],
)
def test_a_language_falls_back_to_shorter_tags(given: str | None, chain: list[str]) -> None:
    assert list(fallbacks(given)) == chain
