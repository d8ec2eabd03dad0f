"""The pages of deliveries: one with all of its attempts, and delivering again."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.common.rest.problems import Problem
from apps.desk import audit
from apps.desk.messages.views import VIEW as VIEW_MESSAGES
from apps.desk.pages import may, require, show
from apps.desk.templatetags.desk import thin
from apps.desk.webhooks import acts, log, words
from apps.desk.webhooks.acts import CHANGE
from apps.desk.webhooks.views import find
from apps.desk.webhooks.window_form import STATES, WindowForm, first_values
from apps.webhooks import redelivery
from apps.webhooks.models import Delivery, Endpoint
from apps.webhooks.schedule import CALLS_PER_ENDPOINT


@require_safe
def delivery_page(request: HttpRequest, webhook_id: UUID, delivery_id: UUID) -> HttpResponse:
    """Show one delivery with all of its attempts."""
    endpoint = find(webhook_id)
    line = log.line_of(_delivery(endpoint, delivery_id))
    context = {
        "title": f"Event: {line.event}",
        "endpoint": endpoint,
        "host": words.host_of(endpoint),
        "line": line,
        "may_deliver": endpoint.enabled and may(request, CHANGE),
        "sees_messages": may(request, VIEW_MESSAGES),
    }
    return show(request, "desk/webhook_delivery.html", context)


@require_POST
def deliver_again(request: HttpRequest, webhook_id: UUID, delivery_id: UUID) -> HttpResponse:
    """Ask, and deliver one event again after the answer."""
    require(request, CHANGE)
    endpoint = find(webhook_id)
    delivery = _delivery(endpoint, delivery_id)
    if request.POST.get("confirmed") != "yes":
        context = {
            "title": "Deliver this event again?",
            "endpoint": endpoint,
            "host": words.host_of(endpoint),
            "line": log.line_of(delivery, most=1),
        }
        return show(request, "desk/webhook_again.html", context)
    try:
        acts.deliver_again(request, endpoint, delivery)
    except Problem as problem:
        messages.warning(request, str(problem.detail))
    else:
        messages.success(request, "The event is delivered again.")
    return redirect("desk:webhook-delivery", webhook_id=endpoint.pk, delivery_id=delivery.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def deliver_window(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """Choose a time, see how many deliveries it has, and deliver them again."""
    require(request, CHANGE)
    endpoint = find(webhook_id)
    if request.method != "POST":
        return _counted(request, endpoint)
    form = WindowForm(request.POST)
    if not form.is_valid():
        return _window(request, endpoint, form)
    try:
        count = redelivery.redeliver_window(endpoint, **form.window, actor=audit.actor_of(request))
    except Problem as problem:
        messages.warning(request, str(problem.detail))
        return redirect("desk:webhook-window", webhook_id=endpoint.pk)
    messages.success(request, f"{_deliveries(count)} begin again.")
    return redirect("desk:webhook", webhook_id=endpoint.pk)


def _counted(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    if "count" not in request.GET:
        return _window(request, endpoint, WindowForm(first_values(timezone.now())))
    form = WindowForm(request.GET)
    if not form.is_valid():
        return _window(request, endpoint, form)
    count = redelivery.count_window(endpoint, **form.window)
    return _window(request, endpoint, form, count=count)


def _window(
    request: HttpRequest, endpoint: Endpoint, form: WindowForm, *, count: int | None = None
) -> HttpResponse:
    most = redelivery.WINDOW_ROWS_MAX
    context: dict[str, Any] = {
        "title": "Deliver a window again",
        "endpoint": endpoint,
        "host": words.host_of(endpoint),
        "form": form,
        "given": form.data,
        "states": STATES,
        "count": count,
        "most": most,
        "is_too_large": count is not None and count > most,
        "at_a_time": CALLS_PER_ENDPOINT,
    }
    return show(request, "desk/webhook_window.html", context)


def _delivery(endpoint: Endpoint, delivery_id: UUID) -> Delivery:
    return get_object_or_404(Delivery, endpoint_id=endpoint.pk, pk=delivery_id)


def _deliveries(count: int) -> str:
    return "One delivery" if count == 1 else f"{thin(count)} deliveries"
