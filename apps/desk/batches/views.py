"""The pages of batches: the list, one batch, its errors, and the question before an act."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from apps.common.rest.problems import Problem
from apps.desk import audit, paging
from apps.desk.batches import acts, errors, feed, progress_bars
from apps.desk.batches.acts import ACTS, CHANGE
from apps.desk.messages.acts import VIEW_CONTENT
from apps.desk.messages.views import VIEW as VIEW_MESSAGES
from apps.desk.models import AuditEntry
from apps.desk.pages import filters_of, may, require, show
from apps.notifications.batches import progress
from apps.notifications.models import Batch, BatchSource, BatchState

VIEW = "notifications.view_batch"
ACTS_SHOWN = 10
# Counting the messages of a large batch takes up to a second, so its page is read less often.
REFRESH_SECONDS, REFRESH_SECONDS_LARGE = 3, 15
LARGE = 100_000


@require_GET
def batch_list(request: HttpRequest) -> HttpResponse:
    """List batches, newest first."""
    given = filters_of(request)
    kept = {name: value for name, value in given.items() if name != paging.PARAMETER}
    found = feed.read(given)
    context = {
        "title": "Batches",
        "feed": found,
        "given": given,
        "is_filtered": bool(kept),
        "sources": progress_bars.SOURCES,
        "states": list(BatchState),
        "links": paging.links(found.page, kept),
    }
    return show(request, "desk/batches.html", context)


@require_GET
def batch_page(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    """Show one batch: what it is, how far, its errors, who did what."""
    batch = get_object_or_404(Batch, pk=batch_id)
    counted = progress.statuses(batch)
    entries = list(AuditEntry.objects.filter(object_id=str(batch.pk))[:ACTS_SHOWN])
    context = {
        "title": f"{progress_bars.SOURCES[batch.source]} of {batch.client}",
        "batch": batch,
        "ending": progress_bars.ending(batch),
        "bar": progress_bars.bar_of(batch, counted),
        "how_far": progress_bars.how_far(batch),
        "counted": counted,
        "refresh": _refresh_seconds(batch) if progress_bars.is_moving(batch, counted) else 0,
        "errors": errors.first(batch),
        "formats": [name for name in errors.FORMATS if _may_download(request, batch, name)],
        "has_file": batch.source == BatchSource.UPLOAD,
        "sees_messages": may(request, VIEW_MESSAGES),
        "acts": acts.possible(batch, counted) if may(request, CHANGE) else [],
        "deeds": audit.in_words(entries),
    }
    return show(request, "desk/batch.html", context)


@require_GET
def batch_errors(request: HttpRequest, batch_id: UUID, wanted: str) -> StreamingHttpResponse:
    """Download why rows became no message; with the rows themselves only for those who may."""
    batch = get_object_or_404(Batch, pk=batch_id)
    if wanted not in errors.FORMATS:
        raise Http404
    if errors.has_rows(batch, wanted):
        require(request, VIEW_CONTENT)
        audit.record(request, "errors_downloaded", object_type="batch", object_id=batch.pk)
    return errors.download(batch, wanted)


@require_POST
def act_on_batch(request: HttpRequest, batch_id: UUID, act_name: str) -> HttpResponse:
    """Ask before an act on a batch, and do it after the answer."""
    act = ACTS.get(act_name)
    if act is None:
        raise Http404
    require(request, CHANGE)
    batch = get_object_or_404(Batch, pk=batch_id)
    if request.POST.get("confirmed") != "yes":
        counted = progress.statuses(batch)
        total = batch.known_total
        context = {
            "title": f"{act.word} this batch?",
            "act": act,
            "batch": batch,
            "is_possible": act in acts.possible(batch, counted),
            "waiting": acts.waiting(counted),
            "unmade": None if total is None else max(total - batch.done, 0),
        }
        return show(request, "desk/batch_question.html", context)
    try:
        acts.do(request, act, batch)
    except Problem as problem:
        messages.warning(request, str(problem.detail))
    else:
        messages.success(request, f"The batch was {act.done}.")
    return redirect("desk:batch", batch_id=batch.pk)


def _may_download(request: HttpRequest, batch: Batch, wanted: str) -> bool:
    return not errors.has_rows(batch, wanted) or may(request, VIEW_CONTENT)


def _refresh_seconds(batch: Batch) -> int:
    return REFRESH_SECONDS_LARGE if batch.accepted > LARGE else REFRESH_SECONDS
