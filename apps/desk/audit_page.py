"""The page of the audit trail."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from apps.common.ids import as_uuid
from apps.common.keyset import Source, read_page
from apps.desk import audit, paging
from apps.desk.actors import STAFF
from apps.desk.models import AuditEntry
from apps.desk.pages import filters_of, show

PAGE_SIZE = 50
FILTERS = ("actor", "about", "action")


@require_GET
def audit_page(request: HttpRequest) -> HttpResponse:
    """List who did what to whom, newest first."""
    given = filters_of(request)
    rows = AuditEntry.objects.all()
    if actor := given.get("actor"):
        rows = rows.filter(actor=f"{STAFF}{actor}" if as_uuid(actor) else actor)
    if about := given.get("about"):
        rows = rows.filter(object_id=about)
    indexed = rows
    if action := given.get("action"):
        rows = rows.filter(action=action)
    source = Source(rows, indexed if action else None)
    page = read_page([source], paging.position_of(given), size=PAGE_SIZE)
    entries = list(AuditEntry.objects.filter(pk__in=page.ids).order_by("-pk"))
    kept: dict[str, str] = {name: given[name] for name in FILTERS if name in given}
    context = {
        "title": "Audit",
        "given": given,
        "actions": audit.ACTIONS,
        "lines": audit.in_words(entries),
        "links": paging.links(page, kept),
    }
    return show(request, "desk/audit.html", context)
