"""Which version a notification gets: the language fallback and the cache of the process."""

from typing import Any

import pytest

from apps.common.ttl_cache import TtlCache
from apps.templates import rendering
from apps.templates.models import Template, TemplateVersion
from tests.templates.conftest import EMAIL, Api


@pytest.fixture
def languages(api: Api) -> Api:
    """A template in English (the default), Portuguese, Brazilian Portuguese and Austrian German."""
    api.post("", EMAIL)
    for language in ("pt", "pt-BR", "de-AT"):
        api.put("welcome", {"language": language, "subject": language, "body": "x"})
    return api


@pytest.mark.parametrize(
    ("language", "locale", "chosen"),
    [
        (None, None, "en"),
        ("pt-BR", None, "pt-BR"),
        ("pt-PT", None, "pt"),
        ("PT-br", None, "pt-BR"),
        ("de", None, "en"),
        ("fr", "pt-AO", "pt"),
        ("pt", "pt-BR", "pt"),
        (None, "pt-BR", "pt-BR"),
        (None, "not a locale", "en"),
    ],
)
@pytest.mark.usefixtures("languages")
def test_the_language_is_the_requested_one_then_the_locale_then_the_default(
    language: str | None, locale: str | None, chosen: str
) -> None:
    assert rendering.pin("welcome", language=language, locale=locale).language == chosen


def test_a_pin_contains_the_version_and_its_properties(api: Api) -> None:
    answer = api.post("", EMAIL | {"category": "news", "critical": True, "sensitive": True}).json()

    version = TemplateVersion.objects.get()
    assert rendering.pin("welcome", language=None, locale=None) == rendering.PinnedTemplate(
        version_id=version.pk,
        code="welcome",
        channel="email",
        number=1,
        language="en",
        category="news",
        critical=True,
        sensitive=True,
        required=frozenset({"name", "link"}),
    )
    assert answer["version"] == 1


@pytest.mark.django_db
def test_an_unknown_code_is_an_error() -> None:
    with pytest.raises(rendering.UnknownTemplate):
        rendering.pin("nothing", language=None, locale=None)


@pytest.mark.usefixtures("languages")
def test_a_second_pin_needs_no_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):  # The published versions with their template.
        rendering.pin("welcome", language="pt", locale=None)
        rendering.pin("welcome", language="de", locale="pt-BR")


def test_a_change_by_another_process_is_used_after_the_ttl(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    cache = TtlCache[str, Any](seconds=rendering.CACHE_SECONDS, size=10, clock=lambda: now)
    monkeypatch.setattr(rendering, "_published", cache)
    api.post("", EMAIL)
    rendering.pin("welcome", language=None, locale=None)
    Template.objects.update(category="news")  # As another process would do it.

    assert rendering.pin("welcome", language=None, locale=None).category == "general"
    now = rendering.CACHE_SECONDS
    assert rendering.pin("welcome", language=None, locale=None).category == "news"


def test_a_change_by_the_same_process_is_used_at_once(languages: Api) -> None:
    assert rendering.pin("welcome", language=None, locale=None).number == 1
    languages.put("welcome", {"subject": "Two", "body": "x"})
    assert rendering.pin("welcome", language=None, locale=None).number == 2
    languages.post("welcome/versions/1/publish", {})
    assert rendering.pin("welcome", language=None, locale=None).number == 1


def test_the_pinned_version_is_rendered_even_if_a_newer_one_is_published(languages: Api) -> None:
    pinned = rendering.pin("welcome", language=None, locale=None)
    languages.put("welcome", {"subject": "Two", "body": "x"})

    content = rendering.render(pinned.version_id, {"name": "Ada", "link": "x"})

    assert isinstance(content, rendering.EmailContent)
    assert content.subject == "Welcome, Ada"


@pytest.mark.usefixtures("languages")
def test_a_chunk_is_loaded_with_one_query_and_rendered_with_none(
    django_assert_num_queries: Any,
) -> None:
    ids = [
        rendering.pin("welcome", language=language, locale=None).version_id
        for language in ("en", "pt", "pt-BR")
    ]

    with django_assert_num_queries(1):  # The versions that are not parsed yet.
        facts = rendering.load_versions(ids)
        rendering.load_versions(ids)
        for version_id in ids:
            rendering.render(version_id, {"name": "Ada", "link": "x"})
    assert facts[ids[0]] == rendering.TemplateFacts(
        code="welcome", channel="email", category="general", critical=False, sensitive=False
    )
    assert set(facts) == set(ids)
