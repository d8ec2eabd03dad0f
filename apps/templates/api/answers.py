"""Response bodies for templates, versions and previews."""

from collections.abc import Iterable, Mapping
from typing import Any

from apps.common.channels import Channel
from apps.templates.content import TEXT_FROM_HTML
from apps.templates.models import Template, TemplateVersion
from apps.templates.previews import Preview
from apps.templates.rendering import EmailContent
from apps.templates.versions import Publication

FURTHER_FIELDS: Mapping[str, tuple[str, ...]] = {
    Channel.EMAIL: ("from_name", "reply_to"),
    Channel.PUSH: ("sound", "badge", "channel_id", "silent", "ttl_seconds", "collapse_id"),
}


def content_answer(version: TemplateVersion, channel: str) -> dict[str, Any]:
    """Return the content fields as the author wrote them, and not what is made of them."""
    content = version.content
    # Those of a later release than the version are shown where they are given only.
    further = {name: content[name] for name in FURTHER_FIELDS[channel] if name in content}
    if channel == Channel.EMAIL:
        return {
            "subject": content["subject"],
            "body": None if content.get(TEXT_FROM_HTML) else content["body"],
            "html": content.get("html"),
            **further,
        }
    return {
        "title": content.get("title", ""),
        "body": content.get("body", ""),
        "image": content.get("image"),
        "link": content.get("link"),
        "data": content.get("data", {}),
        **further,
    }


def version_answer(version: TemplateVersion, channel: str) -> dict[str, Any]:
    """Return the representation of one version."""
    return {
        "id": version.pk,
        "version": version.number,
        "language": version.language,
        "published": version.published,
        "status": version.status,
        "engine": version.engine,
        **content_answer(version, channel),
        "variables": version.required,
        "created_by": version.created_by,
        "created_at": version.created_at,
    }


def template_answer(
    template: Template, version: TemplateVersion, languages: Iterable[str]
) -> dict[str, Any]:
    """Return the representation of a template with one of its versions.

    ``id`` and the times are those of the template.
    """
    return {
        "id": template.pk,
        "code": template.code,
        "notification_type": template.channel,
        "name": template.name,
        "language": version.language,
        "default_language": template.default_language,
        "languages": sorted(languages),
        "version": version.number,
        "published": version.published,
        "status": version.status,
        "engine": version.engine,
        "category": template.category,
        "critical": template.critical,
        "sensitive": template.sensitive,
        **content_answer(version, template.channel),
        "variables": version.required,
        "created_by": version.created_by,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
    }


def publication_answer(
    publication: Publication,
    languages: Iterable[str],
    missing: Mapping[str, int],
    calls: int,
) -> dict[str, Any]:
    """Return the representation of a published version, and what changes for callers.

    Args:
        publication: The version, and the one that it replaces.
        languages: The published languages of the template.
        missing: In how many of the latest calls each newly required variable was missing.
        calls: How many calls were looked at.
    """
    version = publication.version
    return {
        **template_answer(version.template, version, languages),
        "changes": {
            "newly_required": [
                {"variable": name, "missing": missing.get(name, 0)}
                for name in publication.newly_required
            ],
            "no_longer_required": publication.no_longer_required,
            "calls": calls,
        },
    }


def preview_answer(code: str, preview: Preview) -> dict[str, Any]:
    """Return the representation of a preview."""
    content = preview.content
    shown: dict[str, Any]
    if isinstance(content, EmailContent):
        shown = {
            "subject": content.subject,
            "body": content.text,
            "html": content.html,
            "from_name": content.from_name,
            "reply_to": content.reply_to,
        }
    else:
        shown = {
            "title": content.title,
            "body": content.body,
            "image": content.image,
            "link": content.link,
            "data": dict(content.data),
            **{name: getattr(content, name) for name in FURTHER_FIELDS[Channel.PUSH]},
        }
    return {
        "template_code": code,
        "notification_type": preview.channel,
        "language": preview.language,
        "version": preview.version,
        **shown,
        "missing": preview.missing,
        "unused": preview.unused,
        "empty": preview.empty,
        "refused_links": preview.refused_links,
        "replaced": preview.replaced,
    }
