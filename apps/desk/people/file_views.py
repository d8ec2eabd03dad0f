"""The pages that take people from a file, and give all of them as one."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from apps.desk import audit
from apps.desk.messages.acts import VIEW_CONTENT
from apps.desk.pages import may, require, show
from apps.desk.people.files import (
    BYTES_MAX,
    COLUMNS,
    ROWS_MAX,
    Report,
    UnreadableFile,
    export_people,
    import_people,
)

ADD = "users.add_user"
WRONG_SHOWN = 100


@require_http_methods(["GET", "POST"])
def people_import(request: HttpRequest) -> HttpResponse:
    """Say what a file would create, or create it."""
    require(request, ADD)
    report: Report | None = None
    refused = ""
    if request.method == "POST":
        given = request.FILES.get("file")
        if given is None:
            refused = "Choose a file."
        elif (given.size or 0) > BYTES_MAX:
            refused = f"The file has more than {BYTES_MAX // 1024**2} MB. The API takes any size."
        else:
            try:
                report = import_people(given.read(), is_trial=request.POST.get("create") != "yes")
            except UnreadableFile as error:
                refused = str(error)
    if report is not None and not report.is_trial and report.created:
        audit.record(
            request, "added", object_type="people", detail=f"{report.created} people from a file"
        )
        messages.success(request, f"{report.created:,} people were created.")
    context = {
        "title": "People from a file",
        "columns": COLUMNS,
        "rows_max": ROWS_MAX,
        "refused": refused,
        "report": report,
        "wrong": report.wrong[:WRONG_SHOWN] if report else (),
    }
    return show(request, "desk/import.html", context)


@require_GET
def people_export(request: HttpRequest) -> StreamingHttpResponse:
    """Download all people as CSV."""
    # It takes the right that shows what is personal, and it is in the audit trail.
    if not may(request, VIEW_CONTENT):
        raise PermissionDenied
    audit.record(request, "exported", object_type="people", detail="all people as CSV")
    answer = StreamingHttpResponse(export_people(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="people-{timezone.now():%Y-%m-%d}.csv"'
    answer["Cache-Control"] = "private, no-store"
    return answer
