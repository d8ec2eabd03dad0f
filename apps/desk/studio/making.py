"""Make templates: new ones and copies; and take them out of the list."""

import re
from collections.abc import Mapping

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.common.channels import Channel
from apps.common.languages import canonical
from apps.common.rest.problems import FieldError, Problem
from apps.desk import audit
from apps.desk.pages import require, show
from apps.desk.studio import editing
from apps.desk.studio.common import ADD, CHANGE, address_of, errors_of
from apps.templates import versions
from apps.templates.api.converters import CODE_PATTERN
from apps.templates.content import check
from apps.templates.models import DEFAULT_CATEGORY, NAME_MAX_LENGTH, Template

CODE_RULE = "A code has letters, digits, dots, hyphens and underlines, at most 100."


@require_http_methods(["GET", "POST"])
def duplicate(request: HttpRequest, code: str) -> HttpResponse:
    """Ask for the code of a copy, and make it."""
    require(request, ADD)
    original = get_object_or_404(Template, code=code)
    given = {"code": f"{code}-copy", "name": f"{original.name} (copy)", **request.POST.dict()}
    context = {"title": f"Duplicate {code}", "template": original, "given": given}
    if request.method == "GET":
        return show(request, "desk/duplicate.html", context)
    if not re.fullmatch(CODE_PATTERN, given["code"]):
        context["error"] = CODE_RULE
        return show(request, "desk/duplicate.html", context)
    try:
        made = versions.duplicate(
            code=code,
            new_code=given["code"],
            name=given["name"][:NAME_MAX_LENGTH],
            author=audit.actor_of(request),
        )
    except Problem as problem:
        context["error"] = "; ".join(error.detail for error in problem.errors) or problem.detail
        return show(request, "desk/duplicate.html", context)
    assert made is not None  # It was just read.
    audit.record(request, "added", object_type="template", object_id=made.code)
    return redirect(address_of(made.code))


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Ask for the code, channel and first words of a template, and make it."""
    require(request, ADD)
    form = request.POST.dict()
    channel = form.get("channel") or request.GET.get("channel", Channel.EMAIL.value)
    if channel not in set(Channel):
        raise Http404
    errors: list[FieldError] = []
    if request.method == "POST":
        try:
            return _created(request, channel, form)
        except (Problem, ValueError) as problem:
            errors = errors_of(problem)
    context = {
        "title": f"New {'push' if channel == Channel.PUSH else 'mail'}",
        "channel": channel,
        "channels": list(Channel),
        "form": form,
        "fields": [field for field in editing.fields_of(channel, form, errors) if field.is_usual],
        "errors": [error.detail for error in errors],
        "category": DEFAULT_CATEGORY,
    }
    return show(request, "desk/new_template.html", context)


def _created(request: HttpRequest, channel: str, form: Mapping[str, str]) -> HttpResponse:
    code = form.get("code", "").strip()
    if not re.fullmatch(CODE_PATTERN, code):
        message = f"code: {CODE_RULE}"
        raise ValueError(message)
    new = versions.NewTemplate(
        code=code,
        channel=channel,
        name=form.get("name", "").strip()[:NAME_MAX_LENGTH] or code,
        default_language=canonical(form.get("language", "") or "en"),
        category=form.get("category", "").strip() or DEFAULT_CATEGORY,
        critical=form.get("critical") == "on",
        sensitive=form.get("sensitive") == "on",
    )
    content = check(channel, editing.content_of(channel, form))
    versions.create(template=new, content=content, author=audit.actor_of(request))
    audit.record(request, "added", object_type="template", object_id=code)
    messages.success(request, "Version 1 is published: nothing calls it yet.")
    return redirect(address_of(code))


@require_POST
def archive(request: HttpRequest, code: str) -> HttpResponse:
    """Take a template out of the list, or back."""
    require(request, CHANGE)
    template = get_object_or_404(Template, code=code)
    archived = request.POST.get("archived") == "yes"
    versions.archive(code=template.code, archived=archived)
    audit.record(
        request, "archived" if archived else "restored", object_type="template", object_id=code
    )
    words = (
        "It is archived: calls that name it are sent as before."
        if archived
        else "It is in the list again."
    )
    messages.success(request, words)
    return redirect("desk:templates")
