"""The pages of replays of many dead letters: count, ask, show how far, stop."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.common.rest.problems import Problem
from apps.desk import audit
from apps.desk.actors import names_of
from apps.desk.bars import Bar, bar
from apps.desk.letters import feed
from apps.desk.letters.acts import CHANGE
from apps.desk.letters.replay_form import CRITERIA, ReplayForm, in_words
from apps.desk.pages import may, require, show
from apps.desk.templatetags.desk import thin
from apps.notifications.dead_letters import replay_many
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.lifecycle.states import UNKNOWN_OUTCOME
from apps.notifications.models import DeadLetterReplay, ReplayState

VIEW = "notifications.view_deadletterreplay"
# The latest replays below the form.
SHOWN = 10


@require_http_methods(["GET", "HEAD", "POST"])
def replay_start(request: HttpRequest) -> HttpResponse:
    """Count what a filter finds; ask how to replay it; start after the answer."""
    if request.method != "POST":
        return _counted(request, ReplayForm(request.GET))
    require(request, CHANGE)
    form = ReplayForm(request.POST)
    if not form.is_valid():
        return _counted(request, form)
    if request.POST.get("confirmed") != "yes":
        return _question(request, form)
    with transaction.atomic():
        replay = replay_many.start(
            form.asked,
            kind="",
            by=audit.actor_of(request),
            rate_per_second=form.rate,
            note=form.cleaned_data["note"],
        )
        audit.record(
            request,
            "replay_started",
            object_type="replay",
            object_id=replay.pk,
            detail=f"{replay.matched} at {replay.rate_per_second} a second. {replay.note}".strip(),
        )
    return redirect("desk:replay", replay_id=replay.pk)


@require_GET
def replay_page(request: HttpRequest, replay_id: UUID) -> HttpResponse:
    """Show how far a replay is."""
    replay = get_object_or_404(DeadLetterReplay, pk=replay_id)
    remaining = replay_many.remaining(replay) if replay.state == ReplayState.RUNNING else 0
    context = {
        "title": f"Replay of {_letters(replay.matched)}",
        "replay": replay,
        "who": names_of([replay.by])[replay.by],
        "criteria": in_words(_criteria(replay)),
        "bar": bar_of(replay),
        "remaining": remaining,
        "ends_in": _milliseconds(remaining, replay.rate_per_second),
        "refusals": sorted(replay.refusals.items(), key=lambda pair: -pair[1]),
        "is_running": replay.state == ReplayState.RUNNING,
        "may_stop": may(request, CHANGE),
    }
    return show(request, "desk/replay.html", context)


@require_POST
def replay_stop(request: HttpRequest, replay_id: UUID) -> HttpResponse:
    """Stop a replay at once: somebody who sees it go wrong is asked nothing."""
    require(request, CHANGE)
    replay = get_object_or_404(DeadLetterReplay, pk=replay_id)
    try:
        with transaction.atomic():
            stopped = replay_many.cancel(replay.pk, by=audit.actor_of(request))
            audit.record(request, "replay_stopped", object_type="replay", object_id=replay.pk)
    except Problem as problem:
        messages.warning(request, str(problem.detail))
    else:
        words = f"Stopped after {thin(stopped.replayed)}. The others are still open."
        messages.success(request, words)
    return redirect("desk:replay", replay_id=replay.pk)


def bar_of(replay: DeadLetterReplay) -> Bar:
    """Return the bar of a replay."""
    return bar(
        [("good", replay.replayed), ("bad", replay.refused)],
        total=replay.matched,
        said=f"{thin(replay.replayed)} of {thin(replay.matched)} replayed, "
        f"{thin(replay.refused)} refused",
    )


def _counted(request: HttpRequest, form: ReplayForm) -> HttpResponse:
    """Show the form, with the count of what its filter finds if one was asked for."""
    asks = "count" in request.GET or request.method == "POST"
    is_valid = form.is_valid()
    latest = DeadLetterReplay.objects.order_by("-pk")[:SHOWN]
    context: dict[str, Any] = {
        "title": "Replay many",
        "form": form,
        "given": form.data,
        "criteria": [(name, form.data.get(name, "")) for name in CRITERIA],
        "reasons": feed.offered("reason"),
        "providers": feed.offered("provider"),
        "rate": replay_many.RATE_DEFAULT_PER_SECOND,
        "rate_max": replay_many.RATE_MAX_PER_SECOND,
        "latest": [{"replay": one, "bar": bar_of(one)} for one in latest],
        "may_start": may(request, CHANGE),
        "is_counted": asks and is_valid,
    }
    if context["is_counted"]:
        context["matched"] = replay_many.count(form.asked, kind="")
        context["left_out"] = _left_out(form.asked)
    return show(request, "desk/replay_start.html", context)


def _question(request: HttpRequest, form: ReplayForm) -> HttpResponse:
    matched = replay_many.count(form.asked, kind="")
    context = {
        "title": f"Replay {_letters(matched)}?",
        "matched": matched,
        "rate": form.rate,
        "takes": _milliseconds(matched, form.rate),
        "criteria": in_words(form.asked.as_json()),
        "fields": [(name, form.data.get(name, "")) for name in form.fields],
        "doubtful": matched if form.asked.reason == UNKNOWN_OUTCOME else 0,
    }
    return show(request, "desk/replay_question.html", context)


def _letters(count: int) -> str:
    return f"{thin(count)} dead letter{'' if count == 1 else 's'}"


def _left_out(asked: Filter) -> int:
    """Count what is left out because it may have arrived and the filter does not name that."""
    if asked.reason is not None:
        return 0
    doubtful = {**asked.as_json(), "reason": UNKNOWN_OUTCOME}
    return replay_many.count(Filter.from_json(doubtful), kind="")


def _criteria(replay: DeadLetterReplay) -> dict[str, Any]:
    times = ("since", "until")
    return {
        name: datetime.fromisoformat(value) if name in times else value
        for name, value in replay.criteria.items()
    }


def _milliseconds(count: int, rate_per_second: int) -> float:
    return timedelta(seconds=count / rate_per_second) / timedelta(milliseconds=1)
