"""Import and export templates as files, for version control and for other installations.

``<folder>/<code>/template.json`` contains the properties of a template.
``<folder>/<code>/<language>/`` contains its content: ``subject.liquid``, ``body.liquid`` and
``html.liquid`` for an e-mail; ``title.liquid``, ``body.liquid``, ``image.liquid``, ``link.liquid``
and ``data.json`` for a push message. Further texts are in files of their names, and constant
values, such as ``reply_to`` or ``badge``, in ``options.json``.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from django.db import transaction

from apps.common.channels import Channel
from apps.common.languages import canonical
from apps.common.rest.problems import Problem
from apps.templates import versions
from apps.templates.builtin import texts as builtin
from apps.templates.content import FIELDS, CheckedContent, check, written
from apps.templates.models import DEFAULT_CATEGORY, Template, TemplateVersion
from apps.templates.options import OPTIONS

META_FILE = "template.json"
DATA_FILE = "data.json"
OPTIONS_FILE = "options.json"
AUTHOR = "import"
Action = Literal["created", "updated", "unchanged"]


class CatalogError(Exception):
    """A file cannot be imported; the message begins with its path. Nothing was imported."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"{path}: {detail}")


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The import result of one language of one template."""

    code: str
    language: str
    version: int
    action: Action

    def __str__(self) -> str:
        """Return a line for the output of the command."""
        return f"{self.code} {self.language} v{self.version} {self.action}"


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One template as its files describe it."""

    template: versions.NewTemplate
    contents: Mapping[str, CheckedContent]


def export_templates(folder: Path) -> list[str]:
    """Write the published versions to files and return the codes of their templates.

    Files of other templates are not changed.
    """
    published = TemplateVersion.objects.filter(published=True).select_related("template")
    codes: list[str] = []
    for version in published.order_by("template__code", "language"):
        template = version.template
        home = folder / template.code
        if template.code not in codes:
            codes.append(template.code)
            home.mkdir(parents=True, exist_ok=True)
            _write_json(home / META_FILE, _meta(template))
        _write_content(home / version.language, template.channel, written(version.content))
    return codes


def _meta(template: Template) -> dict[str, Any]:
    return {
        "notification_type": template.channel,
        "name": template.name,
        "default_language": template.default_language,
        "category": template.category,
        "critical": template.critical,
        "sensitive": template.sensitive,
    }


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_content(home: Path, channel: str, content: Mapping[str, Any]) -> None:
    home.mkdir(exist_ok=True)
    for name, rule in FIELDS[channel].items():
        path = home / f"{name}.liquid"
        if name not in content:
            path.unlink(missing_ok=True)
            continue
        # Text files end with a line feed, but a header line cannot contain one. The import strips
        # it.
        text = content[name] + "\n" if rule.one_line else content[name]
        path.write_text(text, encoding="utf-8", newline="")
    options = {name: content[name] for name in OPTIONS[channel] if name in content}
    for path, value in ((home / DATA_FILE, content.get("data")), (home / OPTIONS_FILE, options)):
        if value:
            _write_json(path, value)
        else:
            path.unlink(missing_ok=True)


def import_templates(folder: Path, *, update: bool = True) -> list[Imported]:
    """Create and update templates from files, either all of them or none.

    A language whose content is already published gets no new version, so a second import of the
    same files changes nothing.

    Args:
        folder: The folder of the files.
        update: Whether templates that exist already are updated.

    Raises:
        CatalogError: A file is missing, malformed or not a valid template.
    """
    entries = [_read_entry(path.parent) for path in sorted(folder.glob(f"*/{META_FILE}"))]
    if not entries:
        raise CatalogError(folder, f"there is no <code>/{META_FILE} in it")
    done: list[Imported] = []
    with transaction.atomic():
        if not update:
            existing = set(Template.objects.values_list("code", flat=True))
            entries = [entry for entry in entries if entry.template.code not in existing]
        for entry in entries:
            done.extend(_import_entry(entry, folder / entry.template.code))
    return done


def _read_entry(home: Path) -> _Entry:
    meta = _read_json(home / META_FILE)
    try:
        channel = Channel(meta["notification_type"])
        template = versions.NewTemplate(
            code=home.name,
            channel=channel,
            name=str(meta["name"]),
            default_language=canonical(str(meta["default_language"])),
            category=str(meta.get("category", DEFAULT_CATEGORY)),
            critical=meta.get("critical", False) is True,
            sensitive=meta.get("sensitive", False) is True,
        )
    except KeyError as error:
        raise CatalogError(home / META_FILE, f"{error} is missing") from None
    except ValueError as error:
        raise CatalogError(home / META_FILE, str(error)) from None
    contents = {
        _language(path): _read_content(path, channel)
        for path in sorted(home.iterdir())
        if path.is_dir()
    }
    if template.default_language not in contents:
        raise CatalogError(home, f"the default language {template.default_language} is missing")
    return _Entry(template=template, contents=contents)


def _language(home: Path) -> str:
    try:
        return canonical(home.name)
    except ValueError as error:
        raise CatalogError(home, str(error)) from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogError(path, str(error)) from None
    if not isinstance(value, dict):
        raise CatalogError(path, "expected an object")
    return value


def _read_content(home: Path, channel: str) -> CheckedContent:
    given: dict[str, Any] = {}
    for name, rule in FIELDS[channel].items():
        path = home / f"{name}.liquid"
        if path.exists():
            text = path.read_bytes().decode("utf-8", errors="replace")
            given[name] = text.rstrip("\r\n") if rule.one_line else text
    if channel == Channel.PUSH and (home / DATA_FILE).exists():
        given["data"] = _read_json(home / DATA_FILE)
    if (home / OPTIONS_FILE).exists():
        given |= _read_json(home / OPTIONS_FILE)
    try:
        return check(channel, given)
    except Problem as problem:
        wrong = "; ".join(f"{error.pointer}: {error.detail}" for error in problem.errors)
        raise CatalogError(home, wrong) from None


def _import_entry(entry: _Entry, home: Path) -> Iterator[Imported]:
    wanted = entry.template
    default = wanted.default_language
    existing = Template.objects.filter(code=wanted.code).first()
    if existing is None:
        if builtin.is_reserved(wanted.code):
            raise CatalogError(home, builtin.RESERVED)
        version = versions.create(template=wanted, content=entry.contents[default], author=AUTHOR)
        yield _imported(version, "created")
    else:
        fixed = (existing.channel, existing.default_language)
        if fixed != (wanted.channel, default):
            detail = "the type and default language of an existing template cannot change"
            raise CatalogError(home / META_FILE, detail)
        versions.change(code=wanted.code, changes=_changes(existing, wanted))
    for language, content in entry.contents.items():
        if existing is not None or language != default:
            yield _import_language(wanted.code, language, content)


def _changes(existing: Template, wanted: versions.NewTemplate) -> dict[str, Any]:
    names = ("name", "category", "critical", "sensitive")
    return {
        name: getattr(wanted, name)
        for name in names
        if getattr(existing, name) != getattr(wanted, name)
    }


def _import_language(code: str, language: str, content: CheckedContent) -> Imported:
    of_language = TemplateVersion.objects.filter(template__code=code, language=language)
    published = of_language.filter(published=True).select_related("template").first()
    if published is not None and same_content(published.content, content.stored):
        return _imported(published, "unchanged")
    version = versions.write(
        code=code, content=content, language=language, author=AUTHOR, changes={}
    )
    assert version is not None  # The template was found or created in this transaction.
    return _imported(version, "created" if published is None else "updated")


def _imported(version: TemplateVersion, action: Action) -> Imported:
    return Imported(
        code=version.template.code,
        language=version.language,
        version=version.number,
        action=action,
    )


def same_content(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two contents have the same sources, whatever was made of them."""
    return written(one) == written(other)
