"""The interface for senders: pin a version, list missing variables, render."""

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.common.languages import fallbacks
from apps.common.ttl_cache import TtlCache
from apps.templates.builtin import texts as builtin
from apps.templates.composing import (
    SAMPLE,
    EmailContent,
    PushContent,
    RenderError,
    check_outcomes,
    compose,
    missing_paths,
)
from apps.templates.composing import headline as composed_headline
from apps.templates.content import RESERVED_NAMES, ParsedContent, parse_stored
from apps.templates.engine.sandbox import RenderOptions
from apps.templates.engine.syntax import TemplateSyntaxError
from apps.templates.models import Template, TemplateVersion

# TTL of the caches: after this time a version that another process has published is used. The
# process that publishes a version uses it at once.
CACHE_SECONDS = 3.0
PINNED_CODES_LIMIT = 10_000
PARSED_VERSIONS_LIMIT = 1_000

__all__ = [
    "EmailContent",
    "PinnedTemplate",
    "PushContent",
    "RenderError",
    "TemplateFacts",
    "UnknownTemplate",
    "builtin",
    "check_at_intake",
    "forget",
    "headline",
    "load_versions",
    "missing_variables",
    "pin",
    "pin_version",
    "render",
]


class UnknownTemplate(Exception):  # noqa: N818 - the name says what happened; it is no program error.
    """There is no template with this code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PinnedTemplate:
    """The version that a notification uses, even if another one is published later.

    Attributes:
        channel: ``email`` or ``push``.
        number: The version number, counted per template and language.
        required: The variables that must be given, as dotted paths.
        checked_at_intake: The fields that ``check_at_intake`` renders.
    """

    version_id: UUID
    code: str
    channel: str
    number: int
    language: str
    category: str
    critical: bool
    sensitive: bool
    required: frozenset[str]
    checked_at_intake: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateFacts:
    """The properties of a template that sending needs, and that can change before sending."""

    code: str
    channel: str
    category: str
    critical: bool
    sensitive: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Published:
    default_language: str
    by_language: Mapping[str, PinnedTemplate]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Loaded:
    """A version; one that can no longer be parsed fails its own messages only."""

    language: str
    parsed: ParsedContent | None
    required: frozenset[str]
    reserved: frozenset[str]


_published: TtlCache[str, _Published] = TtlCache(seconds=CACHE_SECONDS, size=PINNED_CODES_LIMIT)
_facts: TtlCache[UUID, TemplateFacts] = TtlCache(seconds=CACHE_SECONDS, size=PARSED_VERSIONS_LIMIT)
# What a version says never changes.
_loaded: TtlCache[UUID, _Loaded] = TtlCache(seconds=math.inf, size=PARSED_VERSIONS_LIMIT)


def forget(code: str | None = None) -> None:
    """Remove a template from the caches of this process; without a code, remove all templates."""
    if code is None:
        _published.clear()
        _loaded.clear()
    else:
        _published.forget(code)
    # This cache is keyed by version and cheap to refill, so clear all of it.
    _facts.clear()


def pin(code: str, *, language: str | None, locale: str | None) -> PinnedTemplate:
    """Choose the published version for a recipient.

    The requested language is tried first, then the recipient's locale, then the template's default
    language, which is always published; each with its fallbacks, such as ``pt-BR`` and ``pt``.

    Raises:
        UnknownTemplate: There is no template with this code.
    """
    published = _published.get(code) or _read_published(code)
    for wanted in (language, locale, published.default_language):
        for tag in fallbacks(wanted):
            found = published.by_language.get(tag)
            if found is not None:
                return found
    raise UnknownTemplate(code)


def _read_published(code: str) -> _Published:
    versions = TemplateVersion.objects.filter(template__code=code, published=True)
    found = list(versions.select_related("template").defer("content"))
    if not found:
        raise UnknownTemplate(code)
    published = _Published(
        default_language=found[0].template.default_language,
        by_language={version.language: _pinned(version) for version in found},
    )
    _published.put(code, published)
    return published


def _pinned(version: TemplateVersion) -> PinnedTemplate:
    template = version.template
    return PinnedTemplate(
        version_id=version.pk,
        code=template.code,
        channel=template.channel,
        number=version.number,
        language=version.language,
        category=template.category,
        critical=template.critical,
        sensitive=template.sensitive,
        required=frozenset(version.required),
        checked_at_intake=tuple(version.checked_at_intake or ()),
    )


def sensitive_codes(codes: Collection[str]) -> set[str]:
    """Return those of the codes that are of sensitive templates, published or not, by one query."""
    if not codes:
        return set()
    sensitive = Template.objects.filter(code__in=codes, sensitive=True)
    return set(sensitive.values_list("code", flat=True))


def pin_version(version_id: UUID) -> PinnedTemplate | None:
    """Return one version, published or not; None if it does not exist."""
    rows = TemplateVersion.objects.select_related("template").defer("content")
    version = rows.filter(pk=version_id).first()
    return _pinned(version) if version is not None else None


def check_at_intake(pinned: PinnedTemplate, variables: Mapping[str, Any]) -> None:
    """Render what may turn out to be nothing, or no address, before a notification is accepted.

    Most versions have no such field: a subject with a literal text is never empty.

    Raises:
        RenderError: It cannot be sent with these variables.
    """
    if not pinned.checked_at_intake:
        return
    loaded = _loaded.get(pinned.version_id)
    if loaded is None:
        load_versions([pinned.version_id])
        loaded = _loaded.get(pinned.version_id)
    if loaded is not None and loaded.parsed is not None:
        options = RenderOptions(language=loaded.language)
        check_outcomes(loaded.parsed, {**SAMPLE, **variables}, pinned.checked_at_intake, options)


def missing_variables(pinned: PinnedTemplate, variables: Mapping[str, Any]) -> list[str]:
    """Return the required variables that are not given, sorted; null counts as not given."""
    return missing_paths(pinned.required, variables)


def load_versions(version_ids: Collection[UUID]) -> dict[UUID, TemplateFacts]:
    """Load and parse versions for ``render``, with one query for those that are not cached.

    Returns:
        The properties by version id, at most ``CACHE_SECONDS`` old. Unknown ids are omitted.
    """
    known = {
        version_id: facts
        for version_id in version_ids
        if (facts := _facts.get(version_id)) and _loaded.get(version_id)
    }
    wanted = [version_id for version_id in version_ids if version_id not in known]
    if not wanted:
        return known
    unparsed = [version_id for version_id in wanted if not _loaded.get(version_id)]
    versions = TemplateVersion.objects.filter(pk__in=wanted).select_related("template")
    for version in versions if unparsed else versions.defer("content"):
        facts = _facts_of(version.template)
        if version.pk in unparsed:
            _loaded.put(version.pk, loaded_of(version))
        _facts.put(version.pk, facts)
        known[version.pk] = facts
    return known


def _facts_of(template: Template) -> TemplateFacts:
    return TemplateFacts(
        code=template.code,
        channel=template.channel,
        category=template.category,
        critical=template.critical,
        sensitive=template.sensitive,
    )


def loaded_of(version: TemplateVersion) -> _Loaded:
    """Parse a version by the rules of its engine."""
    parsed: ParsedContent | None = None
    with suppress(TemplateSyntaxError):
        parsed = parse_stored(version.template.channel, version.content, engine=version.engine)
    return _Loaded(
        language=version.language,
        parsed=parsed,
        required=frozenset(version.required),
        reserved=RESERVED_NAMES.intersection(version.used),
    )


def headline(
    version_id: UUID,
    variables: Mapping[str, Any],
    *,
    reserved: Callable[[], Mapping[str, Any]] = lambda: SAMPLE,
    timezone: str = "UTC",
) -> str:
    """Render the subject of a mail or the title of a push; the arguments are those of ``render``.

    Raises:
        RenderError: See ``render``.
    """
    parsed, language, given = _prepared(version_id, variables, reserved)
    return composed_headline(parsed, given, RenderOptions(language=language, timezone=timezone))


def render(
    version_id: UUID,
    variables: Mapping[str, Any],
    *,
    reserved: Callable[[], Mapping[str, Any]] = lambda: SAMPLE,
    timezone: str = "UTC",
) -> EmailContent | PushContent:
    """Render a version. Query the database only if ``load_versions`` has not loaded it.

    Args:
        version_id: The version.
        variables: The variables of the notification.
        reserved: Returns our own objects, ``recipient`` and ``unsubscribe_url``. It is called only
            if the version uses one of them. A variable of the same name replaces it.
        timezone: The time zone of the recipient, in which times are written.

    Raises:
        RenderError: A required variable is missing, a limit was exceeded, or a value does not fit.
    """
    parsed, language, given = _prepared(version_id, variables, reserved)
    return compose(parsed, given, RenderOptions(language=language, timezone=timezone))


def _prepared(
    version_id: UUID, variables: Mapping[str, Any], reserved: Callable[[], Mapping[str, Any]]
) -> tuple[ParsedContent, str, Mapping[str, Any]]:
    """Return a version, its language, and the variables with our own objects if it uses any.

    Raises:
        RenderError: There is no such version, or a required variable is missing.
    """
    loaded = _loaded.get(version_id)
    if loaded is None:
        load_versions([version_id])
        loaded = _loaded.get(version_id)
    if loaded is None or loaded.parsed is None:
        raise RenderError("the version does not exist or can no longer be parsed")
    missing = missing_paths(loaded.required, variables)
    if missing:
        detail = f"required variables are missing: {', '.join(missing)}"
        raise RenderError(detail)
    if loaded.reserved - variables.keys():
        variables = {**reserved(), **variables}
    return loaded.parsed, loaded.language, variables
