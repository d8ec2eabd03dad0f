"""Show what would be sent, with the code that sends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.common.rest.problems import FieldError, Problem
from apps.templates.composing import (
    SAMPLE,
    EmailContent,
    PushContent,
    RenderError,
    composed,
    empty_texts,
    missing_paths,
)
from apps.templates.content import RESERVED_NAMES, check, parse_stored
from apps.templates.engine.releases import CURRENT
from apps.templates.engine.sandbox import RenderOptions
from apps.templates.models import TemplateVersion
from apps.templates.rendering import loaded_of, pin


class UnknownVersion(Exception):  # noqa: N818 - see UnknownTemplate.
    """The template has no such version in this language."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """The content that would be sent.

    Attributes:
        missing: Required variables that were not given; they are rendered as empty text.
        unused: Given variables that the content does not use.
        empty: Texts that must not be empty and are, such as ``subject``.
        refused_links: Links whose scheme is not one of ``LINK_SCHEMES``, as their author wrote
            them. They lead nowhere.
        replaced: Given variables that have the name of one of our own objects and replace it.
    """

    content: EmailContent | PushContent
    channel: str
    language: str
    version: int
    missing: list[str]
    unused: list[str]
    empty: list[str]
    refused_links: list[str]
    replaced: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What content that is not saved yet would say.

    Attributes:
        errors: Why it cannot be saved; then there is no content.
        content: The message; None if it cannot be rendered.
        failure: Why it cannot be rendered with these variables; empty if it can.
        required: The variables that a notification must have, as dotted paths.
        missing: Those of them that were not given; they are rendered as empty text.
        unused: Given variables that the content does not use.
        refused_links: See ``Preview``.
    """

    errors: Sequence[FieldError] = ()
    content: EmailContent | PushContent | None = None
    failure: str = ""
    required: Sequence[str] = ()
    missing: Sequence[str] = ()
    unused: Sequence[str] = ()
    refused_links: Sequence[str] = ()


def try_out(
    channel: str,
    given: Mapping[str, Any],
    *,
    variables: Mapping[str, Any],
    language: str,
    timezone: str = "UTC",
) -> Trial:
    """Check and render content as if it were saved.

    Args:
        channel: The channel of the template.
        given: The content fields by name.
        variables: The variables to fill in.
        language: The language of the version.
        timezone: The zone in which times are written.
    """
    try:
        checked = check(channel, given)
    except Problem as problem:
        return Trial(errors=problem.errors)
    parsed = parse_stored(channel, checked.stored, engine=CURRENT)
    shown = {**SAMPLE, **variables}
    options = RenderOptions(language=language, timezone=timezone, is_preview=True)
    found: dict[str, Any] = {
        "required": checked.required,
        "missing": missing_paths(checked.required, variables),
        "unused": sorted(set(variables) - set(checked.used)),
    }
    try:
        content, refused_links = composed(parsed, shown, options)
    except RenderError as error:
        return Trial(failure=str(error), **found)
    return Trial(content=content, refused_links=sorted(set(refused_links)), **found)


def preview(
    code: str,
    *,
    variables: Mapping[str, Any],
    language: str | None = None,
    locale: str | None = None,
    version: int | None = None,
    reserved: Mapping[str, Any] | None = None,
) -> Preview:
    """Render a preview with the same code as sending; missing variables are empty.

    Args:
        code: The code of the template.
        variables: The variables of the notification.
        language: The requested language.
        locale: The recipient's locale.
        version: The number of another version than the published one, in the chosen language.
        reserved: Our own objects; by default those of an invented recipient.

    Raises:
        UnknownTemplate: There is no template with this code.
        UnknownVersion: The chosen language has no such version.
        RenderError: A limit was exceeded, or a value does not fit.
    """
    pinned = pin(code, language=language, locale=locale)
    versions = TemplateVersion.objects.select_related("template")
    if version is None:
        chosen = versions.get(pk=pinned.version_id)
    else:
        of_language = versions.filter(template__code=code, language=pinned.language)
        found = of_language.filter(number=version).first()
        if found is None:
            raise UnknownVersion(version)
        chosen = found
    loaded = loaded_of(chosen)
    if loaded.parsed is None:
        raise RenderError("the version can no longer be parsed")
    missing = missing_paths(chosen.required, variables)
    shown = {**(reserved or SAMPLE), **variables}
    options = RenderOptions(
        language=chosen.language,
        timezone=(reserved or SAMPLE)["recipient"]["timezone"],
        # Without all variables nothing would be sent, so the preview shows the rest.
        is_preview=bool(missing),
    )
    content, refused_links = composed(loaded.parsed, shown, options)
    return Preview(
        content=content,
        channel=chosen.template.channel,
        language=chosen.language,
        version=chosen.number,
        missing=missing,
        unused=sorted(set(variables) - set(chosen.used)),
        empty=empty_texts(content),
        refused_links=sorted(set(refused_links)),
        replaced=sorted(RESERVED_NAMES.intersection(chosen.used, variables)),
    )
