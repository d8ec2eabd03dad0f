"""Create templates and versions, and publish versions. Existing content is never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.common.rest.problems import FieldError, Problem
from apps.templates import rendering
from apps.templates.builtin import texts as builtin
from apps.templates.content import CheckedContent, check, written
from apps.templates.models import Template, TemplateVersion


@dataclass(frozen=True, kw_only=True)
class NewTemplate:
    """The properties of a new template, without its content."""

    code: str
    channel: str
    name: str
    default_language: str
    category: str
    critical: bool = False
    sensitive: bool = False


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A version that is sent from now on.

    Attributes:
        version: The version, with its template.
        replaced: The version that was sent before; None for the first one of its language.
    """

    version: TemplateVersion
    replaced: TemplateVersion | None

    @property
    def newly_required(self) -> list[str]:
        """Return the variables that callers have to bring from now on, sorted."""
        before = set(self.replaced.required) if self.replaced else set()
        return sorted(set(self.version.required) - before)

    @property
    def no_longer_required(self) -> list[str]:
        """Return the variables that callers had to bring until now, sorted."""
        before = set(self.replaced.required) if self.replaced else set()
        return sorted(before - set(self.version.required))


def create(*, template: NewTemplate, content: CheckedContent, author: str) -> TemplateVersion:
    """Create a template and publish version 1 in its default language.

    Raises:
        Problem: 409 when the code is taken, 400 when it is reserved.
    """
    if builtin.is_reserved(template.code):
        reserved = FieldError(pointer="/code", code="reserved", detail=builtin.RESERVED)
        raise Problem(400, builtin.RESERVED, code="invalid", errors=[reserved])
    row = Template(
        code=template.code,
        channel=template.channel,
        name=template.name,
        default_language=template.default_language,
        category=template.category,
        critical=template.critical,
        sensitive=template.sensitive,
    )
    with transaction.atomic():
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            detail = "There is already a template with this code."
            taken = FieldError(pointer="/code", code="unique", detail=detail)
            raise Problem(409, detail, code="duplicate_code", errors=[taken]) from None
        version = _add_version(row, language=row.default_language, content=content, author=author)
    _forget(row.code)
    return version


def write(
    *,
    code: str,
    content: CheckedContent,
    language: str | None,
    author: str,
    changes: Mapping[str, Any],
) -> TemplateVersion | None:
    """Create a new version of one language and publish it.

    Args:
        code: The code of the template.
        content: The new content.
        language: The language; by default the template's default language.
        author: The author: a client or ``staff:<user id>``.
        changes: New values of the template's own fields, such as ``name``.

    Returns:
        The version; None if there is no such template.
    """
    with transaction.atomic():
        template = _locked(code)
        if template is None:
            return None
        version = _add_version(
            template,
            language=language or template.default_language,
            content=content,
            author=author,
        )
        for name, value in changes.items():
            setattr(template, name, value)
        template.save(update_fields=[*changes, "updated_at"])
    _forget(code)
    return version


def draft(
    *, code: str, content: CheckedContent, language: str | None, author: str
) -> TemplateVersion | None:
    """Create a new version of one language that is not sent until it is published.

    Returns:
        The version; None if there is no such template.
    """
    with transaction.atomic():
        template = _locked(code)
        if template is None:
            return None
        return _add_version(
            template,
            language=language or template.default_language,
            content=content,
            author=author,
            published=False,
        )


def keep_sample(*, code: str, sample: Mapping[str, Any]) -> None:
    """Keep the variables with which the previews of a template are filled in."""
    Template.objects.filter(code=code).update(sample=dict(sample))


def archive(*, code: str, archived: bool) -> None:
    """Take a template out of the lists of authors, or back. What names it is sent as before."""
    Template.objects.filter(code=code).update(archived_at=timezone.now() if archived else None)


def duplicate(*, code: str, new_code: str, name: str, author: str) -> Template | None:
    """Create a template with the published content of another one, in all its languages.

    Returns:
        The new template; None if there is none to copy.

    Raises:
        Problem: 409 when the code is taken, 400 when it is reserved or the content is not valid by
            today's rules.
    """
    original = Template.objects.filter(code=code).first()
    if original is None:
        return None
    published = {one.language: one for one in original.versions.filter(published=True)}
    first = published.pop(original.default_language)
    new = NewTemplate(
        code=new_code,
        channel=original.channel,
        name=name,
        default_language=original.default_language,
        category=original.category,
        critical=original.critical,
        sensitive=original.sensitive,
    )
    with transaction.atomic():
        version = create(template=new, content=_again(original, first), author=author)
        for language, one in sorted(published.items()):
            write(
                code=new_code,
                content=_again(original, one),
                language=language,
                author=author,
                changes={},
            )
        keep_sample(code=new_code, sample=original.sample)
    return version.template


def _again(template: Template, version: TemplateVersion) -> CheckedContent:
    """Check the content of a version by today's rules."""
    return check(template.channel, written(version.content))


def change(*, code: str, changes: Mapping[str, Any]) -> None:
    """Change the template's own fields, such as ``name``, without a new version."""
    with transaction.atomic():
        template = _locked(code)
        if template is not None and changes:
            for name, value in changes.items():
                setattr(template, name, value)
            template.save(update_fields=[*changes, "updated_at"])
    _forget(code)


def publish(*, code: str, language: str | None, number: int) -> Publication | None:
    """Publish another version. Notifications that are already pinned keep their version.

    Returns:
        What changes; None if the language has no version with that number.
    """
    with transaction.atomic():
        template = _locked(code)
        if template is None:
            return None
        of_language = template.versions.filter(language=language or template.default_language)
        version = of_language.filter(number=number).first()
        if version is None:
            return None
        replaced = of_language.filter(published=True).first()
        if not version.published:
            of_language.filter(published=True).update(published=False)
            version.published, version.draft = True, False
            version.save(update_fields=["published", "draft"])
            template.save(update_fields=["updated_at"])
        version.template = template
    _forget(code)
    return Publication(version=version, replaced=replaced)


def _locked(code: str) -> Template | None:
    # Concurrent writers of one template wait for this lock, so that each gets its own number.
    return Template.objects.select_for_update().filter(code=code).first()


def _add_version(
    template: Template,
    *,
    language: str,
    content: CheckedContent,
    author: str,
    published: bool = True,
) -> TemplateVersion:
    of_language = template.versions.filter(language=language)
    latest = of_language.order_by("-number").values_list("number", flat=True).first()
    if published:
        of_language.filter(published=True).update(published=False)
    return TemplateVersion.objects.create(
        template=template,
        language=language,
        number=(latest or 0) + 1,
        content=content.stored,
        required=content.required,
        used=content.used,
        checked_at_intake=content.checked_at_intake,
        published=published,
        draft=not published,
        created_by=author,
    )


def _forget(code: str) -> None:
    """Clear the cache now, and again after the commit, when other threads can read the change."""
    rendering.forget(code)
    transaction.on_commit(lambda: rendering.forget(code))
