"""The pages of webhooks: the list, one webhook with its log, and the question before an act."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from apps.common.callers import Kind
from apps.common.rest.problems import Problem
from apps.desk import audit, paging
from apps.desk.messages.views import VIEW as VIEW_MESSAGES
from apps.desk.models import AuditEntry
from apps.desk.pages import filters_of, may, require, show
from apps.desk.webhooks import acts, feed, log, standing, words
from apps.desk.webhooks.acts import ACTS, CHANGE, Act
from apps.webhooks import subscriptions
from apps.webhooks.models import DeliveryState, Endpoint

VIEW = "webhooks.view_endpoint"
ACTS_SHOWN = 10
# What other processes have to know before the answer says that it is so.
KNOWN_BEFORE = frozenset({"enable", "disable"})


@require_GET
def webhook_list(request: HttpRequest) -> HttpResponse:
    """List webhooks, newest first."""
    given = filters_of(request)
    kept = {name: value for name, value in given.items() if name != paging.PARAMETER}
    found = feed.read(given)
    context = {
        "title": "Webhooks",
        "feed": found,
        "given": given,
        "is_filtered": bool(kept),
        "states": list(standing.State),
        "kinds": list(Kind),
        "links": paging.links(found.page, kept),
    }
    return show(request, "desk/webhooks.html", context)


@require_GET
def webhook_page(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """Show one webhook: what it gets, how it stands, its deliveries, who did what."""
    endpoint = find(webhook_id)
    given = filters_of(request)
    kept = {name: value for name, value in given.items() if name != paging.PARAMETER}
    found = log.read(endpoint, given)
    now = timezone.now()
    entries = list(AuditEntry.objects.filter(object_id=str(endpoint.pk))[:ACTS_SHOWN])
    context = {
        "title": f"Webhook of {endpoint.client}",
        "endpoint": endpoint,
        "host": words.host_of(endpoint),
        # The path and the query of a URL may contain a secret of its owner.
        "shows_url": may(request, CHANGE),
        "events": words.events_in_full(endpoint.events),
        "standing": standing.standing_of(endpoint, now=now),
        "last": feed.last_attempts([endpoint]).get(endpoint.pk),
        "overlaps": acts.overlaps(endpoint),
        "acts": [act for act in acts.possible(endpoint) if may(request, act.permission)],
        "may_deliver": endpoint.enabled and may(request, CHANGE),
        "feed": found,
        "given": given,
        "is_filtered": bool(kept),
        "states": list(DeliveryState),
        "links": paging.links(found.page, kept),
        "sees_messages": may(request, VIEW_MESSAGES),
        "deeds": audit.in_words(entries),
    }
    return show(request, "desk/webhook.html", context)


@require_POST
def act_on_webhook(request: HttpRequest, webhook_id: UUID, act_name: str) -> HttpResponse:
    """Ask before an act on a webhook, and do it after the answer."""
    act = ACTS.get(act_name)
    if act is None:
        raise Http404
    require(request, act.permission)
    endpoint = find(webhook_id)
    if request.POST.get("confirmed") != "yes":
        return _question(request, act, endpoint)
    try:
        secret = acts.do(request, act, endpoint.pk, seen=request.POST.get("seen", ""))
    except Problem as problem:
        messages.warning(request, str(problem.detail))
        return redirect("desk:webhook", webhook_id=endpoint.pk)
    if act.name in KNOWN_BEFORE:
        subscriptions.wait_until_known()
    if secret:
        return _shown_once(request, endpoint, secret)
    messages.success(request, act.done)
    if act.name == "delete":
        return redirect("desk:webhooks")
    return redirect("desk:webhook", webhook_id=endpoint.pk)


def find(webhook_id: UUID) -> Endpoint:
    """Return a webhook.

    Raises:
        Http404: There is none, or it was deleted.
    """
    return get_object_or_404(Endpoint, pk=webhook_id, deleted_at=None)


def _question(request: HttpRequest, act: Act, endpoint: Endpoint) -> HttpResponse:
    context = {
        "title": f"{act.word}?",
        "act": act,
        "endpoint": endpoint,
        "host": words.host_of(endpoint),
        "seen": acts.seen_of(endpoint),
        "is_possible": act in acts.possible(endpoint),
        "standing": standing.standing_of(endpoint, now=timezone.now()),
        "ends_older": act.name == "rotate" and acts.overlaps(endpoint),
    }
    return show(request, "desk/webhook_question.html", context)


def _shown_once(request: HttpRequest, endpoint: Endpoint, secret: str) -> HttpResponse:
    """Show a new secret on the answer itself: it has no address, and no cache keeps it."""
    endpoint.refresh_from_db()
    context = {
        "title": "The new secret",
        "endpoint": endpoint,
        "host": words.host_of(endpoint),
        "secret": secret,
    }
    page = show(request, "desk/webhook_secret.html", context)
    page["Cache-Control"] = "private, no-store"
    return page
