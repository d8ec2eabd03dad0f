"""Show what would be sent, with the code that sends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.templates.composing import (
    SAMPLE,
    EmailContent,
    PushContent,
    RenderError,
    composed,
    empty_texts,
    missing_paths,
)
from apps.templates.content import RESERVED_NAMES
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
