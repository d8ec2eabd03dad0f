"""The admin page of providers: their breakers and limits, and buttons to override them."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from apps.notifications.admin.dead_letters import by_staff
from apps.notifications.flow_control import control
from apps.notifications.flow_control.breakers import Forced

# The same permissions as in the API.
VIEW_PERMISSION = "notifications.view_heartbeat"
FORCE_PERMISSION = "notifications.change_notification"
DONE = {
    Forced.OPEN: "forced open",
    Forced.CLOSED: "forced closed",
    Forced.AUTO: "returned to automatic control",
}
LIFT = "lift"


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Show every provider. A POST forces a breaker, or lifts the limit a provider requested."""
    user: Any = request.user
    if not user.has_perm(VIEW_PERMISSION):
        raise PermissionDenied
    if request.method == "POST":
        if not user.has_perm(FORCE_PERMISSION):
            raise PermissionDenied
        return _act(request)
    context = {
        **admin.site.each_context(request),
        "title": "Providers",
        "providers": list(control.known()),
        "may_force": user.has_perm(FORCE_PERMISSION),
    }
    return TemplateResponse(request, "admin/providers.html", context)


def _act(request: HttpRequest) -> HttpResponse:
    """Execute the action of a button, and store the user in Django's admin log."""
    provider, action = request.POST.get("provider", ""), request.POST.get("action", "")
    breaker, by = request.POST.get("breaker", ""), by_staff(request)
    if action == LIFT:
        subject, word = provider, "limit lifted"
        done = control.lift_limit(provider, by=by)
    elif action in set(Forced) and breaker:
        subject, word = breaker, DONE[Forced(action)]
        done = bool(control.force(provider, Forced(action), by=by, only=breaker))
    else:
        done = False
    if not done:
        return HttpResponseBadRequest("There is no such provider, breaker or state.")
    user: Any = request.user
    LogEntry.objects.create(
        user=user,
        action_flag=CHANGE,
        object_id=subject,
        object_repr=f"Provider {subject}",
        change_message=word,
    )
    messages.success(request, f"Provider {subject}: {word}.")
    return redirect(request.path)
