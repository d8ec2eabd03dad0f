"""The pages of the studio."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from apps.common.channels import Channel
from apps.common.rest.problems import FieldError, Problem
from apps.desk import audit
from apps.desk.actors import names_of
from apps.desk.frames import with_frames
from apps.desk.pages import filters_of, may, require, show
from apps.desk.studio import editing
from apps.desk.studio.common import (
    ADD,
    CHANGE,
    SEND_TO_SELF,
    address_of,
    author_of,
    errors_of,
    review_address,
)
from apps.desk.studio.editing import Desk, desk_of
from apps.templates import versions
from apps.templates.content import check
from apps.templates.models import Template
from apps.templates.previews import Trial, try_out
from apps.templates.rendering import EmailContent

PLACE = re.compile(r"line (\d+), column (\d+): ")
TEMPLATES_SHOWN = 500
PRIORITY = 9


@require_GET
def template_list(request: HttpRequest) -> HttpResponse:
    """List the templates, with their languages and drafts."""
    given = filters_of(request)
    rows = Template.objects.order_by("code")
    if channel := given.get("channel"):
        rows = rows.filter(channel=channel)
    if term := given.get("q"):
        rows = rows.filter(Q(code__icontains=term) | Q(name__icontains=term))
    archived = given.get("archived") == "yes"
    rows = rows.filter(archived_at__isnull=not archived)
    found = list(rows.prefetch_related("versions")[:TEMPLATES_SHOWN])
    context = {
        "title": "Templates",
        "given": given,
        "channels": list(Channel),
        "archived": archived,
        "rows": [_row(template) for template in found],
        "may_add": may(request, ADD),
    }
    return show(request, "desk/templates.html", context)


def _row(template: Template) -> dict[str, Any]:
    published = {one.language: one for one in template.versions.all() if one.published}
    drafts = {
        one.language
        for one in template.versions.all()
        if one.draft
        and one.number > (published[one.language].number if one.language in published else 0)
    }
    return {"template": template, "languages": sorted(published), "drafts": sorted(drafts)}


@require_GET
def studio(request: HttpRequest, code: str) -> HttpResponse:
    """Show the editor with its preview."""
    desk = _desk(request, code, request.GET.dict())
    return _editor(request, desk, content=desk.content)


@require_POST
def save(request: HttpRequest, code: str) -> HttpResponse:
    """Save what the editor has as a draft, and go to its review if that was asked."""
    require(request, CHANGE)
    form = request.POST.dict()
    desk = _desk(request, code, form)
    try:
        given = editing.content_of(desk.template.channel, form)
        sample = editing.sample_of(form.get("sample", ""))
        content = check(desk.template.channel, given)
    except (Problem, ValueError) as problem:
        return _editor(request, desk, content=form, errors=errors_of(problem), form=form)
    versions.keep_sample(code=code, sample=sample)
    if form.get("base") != str(desk.latest) and form.get("anyway") != "yes":
        return _editor(request, desk, content=form, form=form, overtaken=True)
    version = desk.shown
    if version is None or editing.is_changed(desk, content):
        version = editing.save_draft(desk, content, author=audit.actor_of(request))
        audit.record(
            request,
            "drafted",
            object_type="template",
            object_id=code,
            detail=f"version {version.number}, {desk.language}",
        )
        messages.success(request, f"Draft {version.number} ({desk.language}) is saved.")
    elif form.get("then") != "review":
        messages.info(request, "Nothing has changed, so there is no new draft.")
    if form.get("then") == "review":
        return redirect(review_address(code, version))
    return redirect(address_of(code, desk.language))


@require_POST
def preview(request: HttpRequest, code: str) -> JsonResponse:
    """Return what the editor's content would say, for the preview while typing."""
    form = request.POST.dict()
    desk = _desk(request, code, form)
    newest = desk.history[0] if desk.history else None
    latest = {
        "number": desk.latest,
        "author": author_of(newest.created_by) if newest else "",
    }
    try:
        given = editing.content_of(desk.template.channel, form)
        variables = editing.sample_of(form.get("sample", ""))
    except ValueError as error:
        return JsonResponse({"errors": _places(errors_of(error)), "latest": latest})
    trial = try_out(
        desk.template.channel,
        given,
        variables=variables,
        language=desk.language,
        timezone=getattr(request.user, "timezone", "UTC"),
    )
    required = set(desk.published.required) if desk.published else set()
    return JsonResponse(
        {
            **_trial(trial),
            "newly_required": sorted(set(trial.required) - required),
            "latest": latest,
        }
    )


def _trial(trial: Trial) -> dict[str, Any]:
    content: dict[str, Any] | None = None
    if isinstance(trial.content, EmailContent):
        content = {
            "subject": trial.content.subject,
            "text": trial.content.text,
            "html": trial.content.html,
            "from_name": trial.content.from_name,
        }
    elif trial.content is not None:
        content = {
            "title": trial.content.title,
            "body": trial.content.body,
            "image": trial.content.image,
            "link": trial.content.link,
            "data": dict(trial.content.data),
            "silent": trial.content.silent,
        }
    return {
        "errors": _places(trial.errors),
        "content": content,
        "failure": trial.failure,
        "missing": list(trial.missing),
        "unused": list(trial.unused),
        "refused_links": list(trial.refused_links),
    }


def _places(errors: Any) -> list[dict[str, Any]]:
    """Return errors with the line and column that their details begin with."""
    found = []
    for error in errors:
        place = PLACE.match(error.detail)
        found.append(
            {
                "field": error.pointer.split("/")[1] if "/" in error.pointer else "",
                "line": int(place[1]) if place else 1,
                "column": int(place[2]) if place else 1,
                "detail": error.detail,
            }
        )
    return found


def _editor(
    request: HttpRequest,
    desk: Desk,
    *,
    content: Mapping[str, Any],
    errors: list[FieldError] | None = None,
    form: Mapping[str, str] | None = None,
    overtaken: bool = False,
) -> HttpResponse:
    """Show the editor, after a refused save with what was typed."""
    sample = desk.template.sample
    if not sample and (version := desk.shown or desk.published):
        sample = editing.first_sample(version)
    newest = desk.history[0] if desk.history else None
    fields = editing.fields_of(desk.template.channel, content, errors or ())
    context = {
        "title": desk.template.name or desk.template.code,
        "desk": desk,
        "template": desk.template,
        "usual": [field for field in fields if field.is_usual],
        "further": [field for field in fields if not field.is_usual],
        "sample": (form or {}).get("sample") or json.dumps(sample, indent=2, ensure_ascii=False),
        "completions": editing.completions(desk),
        "authors": names_of(version.created_by for version in desk.history),
        "overtaken": overtaken,
        "overtaken_by": author_of(newest.created_by) if newest else "",
        "sample_errors": [error.detail for error in errors or () if error.pointer == "/sample"],
        "may_change": may(request, CHANGE),
        "may_add": may(request, ADD),
        "may_send": any(may(request, one) for one in SEND_TO_SELF),
    }
    return with_frames(show(request, "desk/studio.html", context))


def _desk(request: HttpRequest, code: str, given: Mapping[str, str]) -> Desk:
    template = get_object_or_404(Template, code=code)
    number = given.get("version", "")
    try:
        return desk_of(
            template,
            language=given.get("language") or None,
            number=int(number) if number.isdecimal() else None,
        )
    except ValueError:
        raise Http404 from None
