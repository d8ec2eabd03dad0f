"""What the views of the studio share."""

from urllib.parse import urlencode

from django.shortcuts import get_object_or_404
from django.urls import reverse

from apps.common.rest.problems import FieldError, Problem
from apps.desk.actors import names_of
from apps.templates.models import Template, TemplateVersion

VIEW = "message_templates.view_template"
CHANGE = "message_templates.change_template"
ADD = "message_templates.add_template"
# Either of these lets staff send a version to themselves: authors try out what they write.
SEND_TO_SELF = ("notifications.add_notification", CHANGE)


def version_or_404(code: str, language: str, number: int) -> TemplateVersion:
    """Return a version with its template; without a language, that of the default language."""
    template = get_object_or_404(Template, code=code)
    rows = template.versions.select_related("template")
    return get_object_or_404(rows, language=language or template.default_language, number=number)


def author_of(created_by: str) -> str:
    """Return who wrote a version: the name of the member of staff, or the client."""
    return names_of([created_by])[created_by]


def errors_of(problem: Problem | ValueError) -> list[FieldError]:
    """Return the errors of a form; the message of a ``ValueError`` names the field first."""
    if isinstance(problem, Problem):
        return list(problem.errors)
    name, _, detail = str(problem).partition(": ")
    return [FieldError(pointer=f"/{name}", code="invalid", detail=detail)]


def address_of(code: str, language: str = "") -> str:
    """Return the address of a template's editor."""
    address = reverse("desk:studio", args=[code])
    return f"{address}?{urlencode({'language': language})}" if language else address


def review_address(code: str, version: TemplateVersion) -> str:
    """Return the address of the review of a version."""
    address = reverse("desk:review", args=[code, version.number])
    return f"{address}?{urlencode({'language': version.language})}"
