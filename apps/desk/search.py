"""The one search of every page: an address, a name, an external id, or any id."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from apps.common.ids import as_uuid
from apps.desk import audit
from apps.desk.messages import feed
from apps.desk.messages.acts import VIEW_CONTENT
from apps.desk.messages.feed import Line
from apps.desk.messages.views import VIEW as VIEW_MESSAGES
from apps.desk.pages import may, show
from apps.desk.people.views import VIEW as VIEW_PEOPLE
from apps.desk.webhooks.find import deliveries_by_id
from apps.desk.webhooks.views import VIEW as VIEW_WEBHOOKS
from apps.notifications import search as notifications
from apps.notifications.models import Batch, DeadLetter
from apps.templates.models import Template
from apps.users.models import User
from apps.users.search import find_users
from apps.webhooks.models import Delivery, Endpoint

SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a term finds, each kind of thing at most ``SHOWN`` times.

    Attributes:
        people: People by address, name, external id or id.
        messages: Messages by their ids, or by a request, correlation or provider's id.
        batches: Batches by id or request id.
        letters: Dead letters by id, or by the id of a message of the queue.
        templates: Templates by code or the beginning of one.
        webhooks: Webhooks by id.
        deliveries: Deliveries to webhooks by id, or by the id of their event.
    """

    people: Sequence[User] = ()
    messages: Sequence[Line] = ()
    batches: Sequence[Batch] = ()
    letters: Sequence[DeadLetter] = ()
    templates: Sequence[Template] = ()
    webhooks: Sequence[Endpoint] = ()
    deliveries: Sequence[Delivery] = ()
    links: list[str] = field(default_factory=list)


@require_GET
def search_page(request: HttpRequest) -> HttpResponse:
    """Find a term everywhere; go to the one thing that it finds."""
    term = request.GET.get("q", "").strip()
    found = find(request, term) if term else Found()
    if len(found.links) == 1:
        return redirect(found.links[0])
    all_messages = f"{reverse('desk:messages')}?{urlencode({'q': term})}"
    audit.record_listing(
        request, (line.headline for line in found.messages), object_type="list of messages"
    )
    context = {"title": "Search", "term": term, "found": found, "all_messages": all_messages}
    return show(request, "desk/search.html", context)


def find(request: HttpRequest, term: str) -> Found:
    """Find what a term may mean, as far as the user may see it."""
    identifier = as_uuid(term)
    people: list[User] = []
    if may(request, VIEW_PEOPLE):
        ids = find_users(term).ids[:SHOWN]
        people = list(User.objects.filter(pk__in=ids, erased_at=None).order_by("-pk"))
    lines: Sequence[Line] = ()
    if may(request, VIEW_MESSAGES):
        lines = _messages(request, term)
    batches: list[Batch] = []
    if may(request, "notifications.view_batch"):
        known = Q(request_id=term) | (Q(pk=identifier) if identifier else Q())
        batches = list(Batch.objects.filter(known).order_by("-pk")[:SHOWN])
    letters: list[DeadLetter] = []
    if may(request, "notifications.view_deadletter"):
        named = Q(message_id=term) | (Q(pk=identifier) if identifier else Q())
        letters = list(DeadLetter.objects.filter(named))
    templates: list[Template] = []
    if may(request, "message_templates.view_template"):
        templates = list(Template.objects.filter(code__startswith=term.lower())[:SHOWN])
    webhooks: list[Endpoint] = []
    deliveries: list[Delivery] = []
    if may(request, VIEW_WEBHOOKS) and identifier is not None:
        webhooks = list(Endpoint.objects.filter(pk=identifier, deleted_at=None))
        deliveries = deliveries_by_id(identifier, most=SHOWN)
    return Found(
        people=people,
        messages=lines,
        batches=batches,
        letters=letters,
        templates=templates,
        webhooks=webhooks,
        deliveries=deliveries,
        links=[
            *(reverse("desk:person", args=[user.pk]) for user in people),
            *(reverse("desk:message", args=[line.row.pk]) for line in lines),
            *(reverse("desk:batch", args=[one.pk]) for one in batches),
            *(reverse("desk:letter", args=[one.pk]) for one in letters),
            *(reverse("desk:studio", args=[one.code]) for one in templates),
            *(reverse("desk:webhook", args=[one.pk]) for one in webhooks),
            *(
                reverse("desk:webhook-delivery", args=[one.endpoint_id, one.pk])
                for one in deliveries
            ),
        ],
    )


def _messages(request: HttpRequest, term: str) -> Sequence[Line]:
    """Return the messages that the term names itself, not those of a person or batch it names."""
    meanings = [
        one for one in notifications.meanings(term) if not {"user_id", "batch_id"} & _columns(one)
    ]
    return feed.of_meanings(
        meanings,
        most=SHOWN,
        with_people=may(request, VIEW_PEOPLE),
        with_content=may(request, VIEW_CONTENT),
    )


def _columns(condition: Q) -> set[str]:
    return {child[0] for child in condition.children if isinstance(child, tuple)}
