"""The review of a version before it is published, and a copy of it to oneself."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.common.callers import Caller
from apps.common.channels import Channel
from apps.common.rest.problems import Problem
from apps.desk import audit
from apps.desk.pages import may, require, require_any, show
from apps.desk.studio.common import CHANGE, SEND_TO_SELF, address_of, author_of, version_or_404
from apps.desk.studio.editing import first_sample
from apps.desk.studio.review import review_of
from apps.notifications.intake import accept
from apps.notifications.intake.requests import SendRequest
from apps.notifications.models.notification import TEST_SEND
from apps.templates import versions

# Somebody is waiting for it.
PRIORITY = 9


@require_http_methods(["GET", "POST"])
def review(request: HttpRequest, code: str, number: int) -> HttpResponse:
    """Show what publishing a version changes, and publish it after the answer."""
    version = version_or_404(code, request.GET.get("language", ""), number)
    if request.method == "POST":
        require(request, CHANGE)
        versions.publish(code=code, language=version.language, number=number)
        audit.record(
            request,
            "published",
            object_type="template",
            object_id=code,
            detail=f"version {number}, {version.language}",
        )
        messages.success(request, f"Version {number} ({version.language}) is sent from now on.")
        return redirect(address_of(code, version.language))
    found = review_of(version)
    context = {
        "title": f"Publish version {number} of {code}?",
        "review": found,
        "template": version.template,
        "author": author_of(version.created_by),
        "is_back": found.replaced is not None and found.replaced.number > number,
        "may_change": may(request, CHANGE),
        "back": address_of(code, version.language),
    }
    return show(request, "desk/review.html", context)


@require_POST
def send_to_me(request: HttpRequest, code: str, number: int) -> HttpResponse:
    """Send a version with the sample to the member of staff, through the whole pipeline."""
    require_any(request, SEND_TO_SELF)
    version = version_or_404(code, request.POST.get("language", ""), number)
    user: Any = request.user
    asked = SendRequest(
        notification_type=Channel(version.template.channel).value,
        user_id=user.pk,
        template_code=code,
        variables=version.template.sample or first_sample(version),
        language=version.language,
        priority=PRIORITY,
        metadata={TEST_SEND: True},
    )
    caller = Caller(client=audit.actor_of(request), is_staff=True)
    try:
        made = accept.accept_version(asked, version_id=version.pk, caller=caller).notification
    except Problem as problem:
        reasons = "; ".join(error.detail for error in problem.errors) or str(problem.detail)
        messages.error(request, f"It was not sent: {reasons}")
        return redirect(address_of(code, version.language))
    audit.record(request, "sent_to_self", object_type="template", object_id=code)
    messages.success(request, "It is on its way to you.")
    return redirect("desk:message", message_id=made.pk)
