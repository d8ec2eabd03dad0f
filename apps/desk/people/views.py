"""The pages of people."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST, require_safe

from apps.common.keyset import KnownIds, Source, read_page
from apps.desk import audit, paging
from apps.desk.messages import feed
from apps.desk.messages.acts import VIEW_CONTENT
from apps.desk.messages.views import VIEW as VIEW_MESSAGES
from apps.desk.models import AuditEntry
from apps.desk.pages import may, show
from apps.desk.people.profile import export, profile_of
from apps.users import contacts
from apps.users.models import User
from apps.users.search import find_users

VIEW = "users.view_user"
ERASE = "users.delete_user"
PAGE_SIZE = 50
ACTS_SHOWN = 10


@require_GET
def people_list(request: HttpRequest) -> HttpResponse:
    """Find people by address, name, external id or id; without a term, the newest."""
    term = request.GET.get("q", "").strip()
    users = User.objects.filter(erased_at=None)
    found = find_users(term) if term else None
    source = Source(users) if found is None else KnownIds(users, found.ids)
    page = read_page([source], paging.position_of(request.GET.dict()), size=PAGE_SIZE)
    rows = {user.pk: user for user in users.filter(pk__in=page.ids)}
    kept = {"q": term} if term else {}
    context = {
        "title": "People",
        "term": term,
        "people": [rows[pk] for pk in page.ids if pk in rows],
        "more_found": found.more if found else False,
        "links": paging.links(page, kept),
        "may_add": may(request, "users.add_user"),
        "may_export": may(request, VIEW_CONTENT),
    }
    return show(request, "desk/people.html", context)


@require_safe
def person_page(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Show one person: preferences, devices, suppression, everything sent."""
    user = get_object_or_404(User, pk=user_id, erased_at=None)
    sees_messages = may(request, VIEW_MESSAGES)
    given = {"user_id": str(user.pk), "page": request.GET.get("page", "")}
    sent = (
        feed.read(given, with_people=True, with_content=may(request, VIEW_CONTENT))
        if sees_messages
        else None
    )
    if sent:
        headlines = (line.headline for line in sent.lines)
        audit.record_listing(request, headlines, object_type="person", object_id=user.pk)
    context: dict[str, Any] = {
        "title": user.name,
        "profile": profile_of(user),
        "feed": sent,
        "links": paging.links(sent.page, {}) if sent else {},
        "may_change": may(request, "users.change_user"),
        "may_erase": _may_erase(request, user),
        "may_export": may(request, VIEW_CONTENT) and sees_messages,
        "acts": audit.in_words(AuditEntry.objects.filter(object_id=str(user.pk))[:ACTS_SHOWN]),
    }
    return show(request, "desk/person.html", context)


@require_GET
def person_export(request: HttpRequest, user_id: UUID) -> StreamingHttpResponse:
    """Download the data of a person as JSON."""
    if not (may(request, VIEW_CONTENT) and may(request, VIEW_MESSAGES)):
        raise PermissionDenied
    user = get_object_or_404(User, pk=user_id, erased_at=None)
    audit.record(request, "exported", object_type="person", object_id=user.pk)
    answer = StreamingHttpResponse(export(user), content_type="application/json")
    name = f"person-{user.pk}-{timezone.now():%Y-%m-%d}.json"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "private, no-store"
    return answer


@require_POST
def person_erase(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Ask before a person is erased, and erase them after the answer."""
    user = get_object_or_404(User, pk=user_id, erased_at=None)
    if not _may_erase(request, user):
        raise PermissionDenied
    if request.POST.get("confirmed") != "yes":
        return show(request, "desk/erase.html", {"title": f"Erase {user.name}?", "person": user})
    with transaction.atomic():
        contacts.erase(user.pk)
        audit.record(request, "erased", object_type="person", object_id=user.pk)
    messages.success(request, "The person was erased, with what their messages said.")
    return redirect("desk:people")


def _may_erase(request: HttpRequest, user: User) -> bool:
    """Staff accounts are erased by superusers only, and nobody erases themselves here."""
    viewer: Any = request.user
    if not viewer.has_perm(ERASE) or viewer.pk == user.pk:
        return False
    return viewer.is_superuser or not (user.is_staff or user.is_superuser)
