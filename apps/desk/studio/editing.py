"""What the studio shows of a template, and what it saves."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.common.channels import Channel
from apps.common.languages import canonical
from apps.common.rest.problems import FieldError
from apps.templates import versions
from apps.templates.catalog import same_content
from apps.templates.content import CONTENT_FIELDS, FIELDS, CheckedContent, written
from apps.templates.engine.filters import FILTERS
from apps.templates.engine.releases import CURRENT
from apps.templates.models import Template, TemplateVersion
from apps.templates.options import OPTIONS

HISTORY_SHOWN = 30
TAGS = (
    "assign",
    "break",
    "capture",
    "case",
    "comment",
    "continue",
    "cycle",
    "else",
    "elsif",
    "endcapture",
    "endcase",
    "endcomment",
    "endfor",
    "endif",
    "endraw",
    "endunless",
    "for",
    "if",
    "raw",
    "unless",
    "when",
)
# How each field is edited, and what it is for.
EDITORS: Mapping[str, tuple[str, str]] = {
    "subject": ("line", "Subject"),
    "title": ("line", "Title"),
    "body": ("liquid", "Text"),
    "html": ("html", "HTML or MJML"),
    "image": ("line", "Picture (address)"),
    "link": ("line", "Opens (address)"),
    "data": ("json", "Data for the app (an object of texts)"),
    "from_name": ("line", "Name of the sender"),
    "reply_to": ("line", "Answers go to"),
    "sound": ("line", "Sound"),
    "badge": ("number", "Number at the icon"),
    "channel_id": ("line", "Notification channel of Android"),
    "silent": ("switch", "Silent: only the data goes to the app"),
    "ttl_seconds": ("number", "Worth being delivered for (seconds)"),
    "collapse_id": ("line", "Replaces the message with the same id"),
}
# What most templates use; the rest is folded.
MADE_FROM_HTML = "Left empty, it is made from the HTML."
USUAL = frozenset({"subject", "title", "body", "html", "image", "link"})


@dataclass(frozen=True, kw_only=True)
class EditorField:
    """One field of the form.

    Attributes:
        name: Its name.
        label: What it is for.
        editor: How it is edited: ``line``, ``liquid``, ``html``, ``json``, ``number``, ``switch``.
        value: Its source.
        errors: Why it cannot be saved.
        is_usual: Whether it is always shown.
        hint: What an empty one means.
    """

    name: str
    label: str
    editor: str
    value: Any
    errors: Sequence[str]
    is_usual: bool
    hint: str = ""


def fields_of(
    channel: str, content: Mapping[str, Any], errors: Iterable[FieldError] = ()
) -> list[EditorField]:
    """Return the fields of a form for a channel."""
    known = {*FIELDS[channel], *OPTIONS[channel]}
    known |= {"data"} if channel == Channel.PUSH else set()
    said: dict[str, list[str]] = {}
    for error in errors:
        said.setdefault(error.pointer.split("/")[1], []).append(error.detail)
    return [
        EditorField(
            name=name,
            label=EDITORS[name][1],
            editor=EDITORS[name][0],
            value=_shown(content.get(name)),
            errors=said.get(name, []),
            is_usual=name in USUAL or name in said or bool(content.get(name)),
            hint=MADE_FROM_HTML if (channel, name) == (Channel.EMAIL, "body") else "",
        )
        for name in CONTENT_FIELDS
        if name in known
    ]


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return json.dumps(value, indent=2, ensure_ascii=False)
    return "" if value is None else value


def content_of(channel: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Return the content that a form has, as the API would get it.

    Raises:
        ValueError: ``data`` is not JSON, or a number is none; the message names the field first.
    """
    found: dict[str, Any] = {}
    for field in fields_of(channel, {}):
        # Browsers send line ends as CR LF (HTML, section 4.10.5.1); content is stored with LF.
        given = form.get(field.name, "").replace("\r\n", "\n")
        if not given.strip():
            continue
        if field.editor == "json":
            found[field.name] = _json(field.name, given)
        elif field.editor == "number":
            if not given.strip().lstrip("-").isdecimal():
                message = f"{field.name}: Expected a whole number."
                raise ValueError(message)
            found[field.name] = int(given)
        elif field.editor == "switch":
            found[field.name] = True
        else:
            found[field.name] = given
    return found


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"{name}: Expected JSON: {error}."
        raise ValueError(message) from None


def sample_of(text: str) -> dict[str, Any]:
    """Return the variables of a form's sample.

    Raises:
        ValueError: It is no JSON object; the message names the field first.
    """
    found = _json("sample", text) if text.strip() else {}
    if not isinstance(found, dict):
        message = "sample: Expected a JSON object."
        raise ValueError(message)  # noqa: TRY004 - it is a text of a form.
    return found


def first_sample(version: TemplateVersion) -> dict[str, Any]:
    """Return variables for a template that has no sample yet: each says its own name."""
    found: dict[str, Any] = {}
    for path in version.required:
        *around, last = path.split(".")
        inner = found
        for step in around:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, dict):
                break
        else:
            inner.setdefault(last, last)
    return found


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the studio shows of a template in one language.

    Attributes:
        template: The template.
        language: The language.
        shown: The version in the editor; None for a language without any.
        published: The version that is sent; None for a language without any.
        history: The newest versions of the language.
        languages: All languages with the number of versions.
        beside: What the other languages say that are published.
    """

    template: Template
    language: str
    shown: TemplateVersion | None
    published: TemplateVersion | None
    history: Sequence[TemplateVersion]
    languages: Sequence[str]
    beside: Mapping[str, Mapping[str, Any]]

    @property
    def latest(self) -> int:
        """The number of the newest version; 0 if there is none."""
        return self.history[0].number if self.history else 0

    @property
    def content(self) -> dict[str, Any]:
        """What the editor begins with; a new language begins with the words of another one."""
        if self.shown is not None:
            return written(self.shown.content)
        return dict(next(iter(self.beside.values()), {}))

    @property
    def is_draft(self) -> bool:
        """Whether the editor shows a draft that is newer than what is sent."""
        newest = self.published.number if self.published else 0
        return self.shown is not None and self.shown.draft and self.shown.number > newest


def desk_of(template: Template, *, language: str | None, number: int | None) -> Desk:
    """Return what the studio shows.

    Args:
        template: The template.
        language: The language; by default the template's default language.
        number: The version to show; by default a draft that is newer than what is sent, or else
            what is sent.

    Raises:
        ValueError: The language is not a language tag.
    """
    language = canonical(language) if language else template.default_language
    of_language = template.versions.filter(language=language)
    history = list(of_language.order_by("-number")[:HISTORY_SHOWN])
    published = of_language.filter(published=True).first()
    if number is not None:
        shown = of_language.filter(number=number).first()
    else:
        newest = history[0] if history else None
        shown = newest if newest is not None and newest.draft else published
    others = template.versions.filter(published=True).exclude(language=language)
    in_order = sorted(
        others, key=lambda one: (one.language != template.default_language, one.language)
    )
    known = template.versions.order_by("language").values_list("language", flat=True).distinct()
    return Desk(
        template=template,
        language=language,
        shown=shown,
        published=published,
        history=history,
        languages=list(dict.fromkeys([template.default_language, *known])),
        beside={one.language: written(one.content) for one in in_order},
    )


def is_changed(desk: Desk, content: CheckedContent) -> bool:
    """Return whether content differs from the version in the editor."""
    shown = desk.shown
    return (
        shown is None or shown.engine != CURRENT or not same_content(shown.content, content.stored)
    )


def save_draft(desk: Desk, content: CheckedContent, *, author: str) -> TemplateVersion:
    """Save a draft."""
    version = versions.draft(
        code=desk.template.code, content=content, language=desk.language, author=author
    )
    assert version is not None  # The template was just read, and none is ever deleted.
    return version


def completions(desk: Desk) -> dict[str, Sequence[str]]:
    """Return the words that the editor completes."""
    shown = desk.shown or desk.published
    used = set(shown.used) | set(shown.required) if shown else set()
    return {
        "variables": sorted(used | {"recipient.name", "recipient.email", "unsubscribe_url"}),
        "filters": sorted(FILTERS[CURRENT]),
        "tags": TAGS,
    }
