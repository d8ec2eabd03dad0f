"""The pages of dead letters: the list, one letter, and the question before an act."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from apps.common.channels import Channel
from apps.common.ids import as_uuid
from apps.desk import audit, paging
from apps.desk.letters import acts, feed, story
from apps.desk.letters.acts import ACTS, CHANGE, Act
from apps.desk.messages import story as messages_story
from apps.desk.messages.acts import VIEW_CONTENT
from apps.desk.messages.views import VIEW as VIEW_MESSAGES
from apps.desk.messages.views import VIEW_PEOPLE, device_words
from apps.desk.pages import filters_of, may, require, show
from apps.notifications.dead_letters import history, store
from apps.notifications.lifecycle.states import LetterState
from apps.notifications.models import DeadLetter, Notification
from apps.users.contacts import Contact, load_contacts

VIEW = "notifications.view_deadletter"
HOME = "/admin/dead-letters/"
# Of a message of the queue that names very many.
NAMED_SHOWN = 50


@require_GET
def letter_list(request: HttpRequest) -> HttpResponse:
    """List dead letters, newest first; by default those that are open."""
    given = filters_of(request)
    kept = {name: value for name, value in given.items() if name != paging.PARAMETER}
    sees_messages = may(request, VIEW_MESSAGES)
    found = feed.read(
        given,
        with_people=sees_messages and may(request, VIEW_PEOPLE),
        with_content=sees_messages and may(request, VIEW_CONTENT),
    )
    audit.record_listing(
        request, (line.headline for line in found.lines), object_type="list of dead letters"
    )
    context = {
        "title": "Dead letters",
        "feed": found,
        "given": given,
        "state": given.get("state", LetterState.OPEN.value),
        "is_filtered": bool(kept),
        "states": list(LetterState),
        "reasons": feed.offered("reason"),
        "providers": feed.offered("provider"),
        "channels": list(Channel),
        "links": paging.links(found.page, kept),
        "acts": list(ACTS.values()) if may(request, CHANGE) else [],
        "kept": paging.links(found.page, kept)["newest"],
        "back": request.get_full_path(),
    }
    return show(request, "desk/letters.html", context)


@require_GET
def letter_page(request: HttpRequest, letter_id: UUID) -> HttpResponse:
    """Show one dead letter: what failed, what to do, what was said last, who did what."""
    letters = DeadLetter.objects.select_related("notification")
    letter = get_object_or_404(letters, pk=letter_id)
    row = letter.notification
    person = _person(request, row)
    context: dict[str, Any] = {
        "title": _title(letter),
        "letter": letter,
        "row": row,
        "person": person,
        "sees_messages": may(request, VIEW_MESSAGES),
        "ending": story.ending(letter, name=person.name if person else ""),
        "reply": story.last_reply(row) if row else None,
        "deeds": story.deeds(letter),
        "acts": list(ACTS.values()) if may(request, CHANGE) and acts.possible(letter) else [],
        "steps": [],
    }
    if row is not None:
        devices = device_words(row.user_id)
        context["steps"] = messages_story.steps(row, devices, now=timezone.now())
        context["lineage"] = [one for one in history.lineage_of(letter) if one.pk != row.pk]
    else:
        named = store.ids_named_by(letter)
        context["named"] = list(Notification.objects.filter(pk__in=named[:NAMED_SHOWN]))
        context["queue_words"] = list(story.queue_words(letter))
        # It may have the address of a person, or what was said to them.
        context["may_read"] = may(request, VIEW_CONTENT)
        if context["may_read"]:
            context["stored"] = story.stored_text(letter)
            audit.record_reading(request, letter.pk, object_type="dead letter")
    return show(request, "desk/letter.html", context)


@require_POST
def act_on_letters(request: HttpRequest, act_name: str) -> HttpResponse:
    """Ask before an act on dead letters, and do it after the answer."""
    act = ACTS.get(act_name)
    if act is None:
        raise Http404
    require(request, CHANGE)
    letters = _chosen(request)
    back = request.POST.get("back", "")
    back = back if back.startswith(HOME) else reverse("desk:letters")
    # The database stores no NUL.
    note = request.POST.get("note", "").replace("\0", "").strip()[: acts.NOTE_MAX_LENGTH]
    confirmed = request.POST.get("confirmed") == "yes"
    if not confirmed or (act.needs_reason and not note):
        return _question(request, act, letters, back, misses_reason=confirmed)
    result = acts.do(request, act, letters, note=note)
    level = messages.WARNING if result.refused else messages.SUCCESS
    messages.add_message(request, level, result.said(act.done))
    if len(result.made) == 1 and may(request, VIEW_MESSAGES):
        return redirect("desk:message", message_id=result.made[0])
    return redirect(back)


def _question(
    request: HttpRequest, act: Act, letters: list[DeadLetter], back: str, *, misses_reason: bool
) -> HttpResponse:
    able = [letter for letter in letters if acts.possible(letter)]
    context = {
        "title": f"{act.word} {len(able)} dead letter{'' if len(able) == 1 else 's'}?",
        "act": act,
        "letters": able,
        "unable": len(letters) - len(able),
        "doubtful": acts.may_have_arrived(able) if act.name == acts.REPLAY else 0,
        "back": back,
        "misses_reason": misses_reason,
        "note_max_length": acts.NOTE_MAX_LENGTH,
    }
    return show(request, "desk/letters_question.html", context)


def _chosen(request: HttpRequest) -> list[DeadLetter]:
    """Return the chosen dead letters.

    Raises:
        BadRequest: None is chosen, too many are, or an id is none.
    """
    chosen = request.POST.getlist("chosen")
    ids = [one for one in map(as_uuid, chosen) if one is not None]
    if not ids or len(ids) != len(chosen) or len(ids) > acts.AT_ONCE:
        raise BadRequest("Choose up to 50 dead letters of the page.")
    letters = DeadLetter.objects.select_related("notification")
    return list(letters.filter(pk__in=ids).order_by("-pk"))


def _title(letter: DeadLetter) -> str:
    if letter.is_poison:
        return "Message of the queue"
    return f"{'Push' if letter.channel == Channel.PUSH else 'Mail'} {letter.template_code}"


def _person(request: HttpRequest, row: Notification | None) -> Contact | None:
    if row is None or not (may(request, VIEW_PEOPLE) and may(request, VIEW_MESSAGES)):
        return None
    return load_contacts({row.user_id}).get(row.user_id)
