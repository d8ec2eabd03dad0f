"""The admin pages of dead letters: browse, inspect, replay, discard with a reason."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.common.callers import Kind
from apps.common.ids import as_uuid
from apps.common.newest_first import NewestFirstList, RecentValuesFilter
from apps.common.rest.problems import Problem
from apps.notifications.admin.reading import LargeTableAdmin
from apps.notifications.dead_letters import history, replay_one
from apps.notifications.models import DeadLetter, LetterState

NOTE_MAX_LENGTH = 500
# The maximum number of letters per request. For more there are bulk replays.
BY_HAND_MAX = 200
ALL = "all"


class NoteForm(ActionForm):
    """The action form with a text field for the reason."""

    note = forms.CharField(
        required=False,
        max_length=NOTE_MAX_LENGTH,
        label="Reason",
        help_text="Needed to discard.",
    )


class StateFilter(admin.SimpleListFilter):
    """Filters by state; the default is ``open``."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return every state, and ``all``."""
        return [*((state.value, state.value) for state in LetterState), (ALL, ALL)]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter]
    ) -> QuerySet[DeadLetter]:
        """Filter the list by the selected state."""
        wanted = self.value() or LetterState.OPEN
        return queryset if wanted == ALL else queryset.filter(state=wanted)

    def choices(self, changelist: Any) -> Any:
        """Mark ``open`` as selected if no state is selected."""
        wanted = self.value() or LetterState.OPEN.value
        for value, title in self.lookup_choices:
            yield {
                "selected": value == wanted,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }


def by_staff(request: HttpRequest) -> str:
    """Return the actor for the audit trail: the current staff user."""
    return f"staff:{request.user.pk}"


@admin.register(DeadLetter)
class DeadLetterAdmin(LargeTableAdmin[DeadLetter]):
    """Notifications that could not be delivered, and messages that could not be processed."""

    list_display = (
        "id",
        "state",
        "reason",
        "channel",
        "provider",
        "template_code",
        "kind",
        "recorded_at",
    )
    list_filter = (
        StateFilter,
        ("reason", RecentValuesFilter),
        ("channel", RecentValuesFilter),
        ("provider", RecentValuesFilter),
        ("recorded_at", admin.DateFieldListFilter),
        "kind",
    )
    filters_by_default = True
    search_fields = ("pk",)
    search_help_text = "In full: an id, a notification's id, a message's id, or a template's code."
    actions = ("replay", "replay_doubtful", "discard")
    action_form = NoteForm
    fields = (
        "id",
        "state",
        "reason",
        "may_have_arrived",
        "channel",
        "kind",
        "provider",
        "template_code",
        "notification_link",
        "message_id",
        "recorded_at",
        "settled_at",
        "timeline_table",
        "lineage",
        "audit_trail",
        "x_death_shown",
        "message_shown",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Load the notification in the same query."""
        return super().get_queryset(request).select_related("notification")

    def look_ups(self, changelist: NewestFirstList, term: str) -> Sequence[Q]:
        """Return the columns that an id may be found in; none if the term is no id."""
        identifier = as_uuid(term)
        if identifier is not None:
            return [Q(message_id=term), Q(pk=identifier), Q(notification=identifier)]
        known = DeadLetter.objects.filter(message_id=term).exists()
        return [Q(message_id=term)] if known else []

    def without_index(self, term: str) -> Q:
        """Return the condition of a template."""
        return Q(template_code=term)

    def leading(self, changelist: ChangeList) -> Sequence[Q]:
        """Return the reason, or else the state for each kind, which have indexes."""
        params = changelist.filter_params
        if reason := params.get("reason"):
            return [Q(reason=reason[-1])]
        (state,) = params.get("state", [LetterState.OPEN.value])[-1:]
        if state == ALL:
            return [Q()]
        kinds = params.get("kind__exact", list(Kind))
        return [Q(state=state, kind=kind) for kind in kinds]

    @admin.display(description="May have arrived", boolean=True)
    def may_have_arrived(self, letter: DeadLetter) -> bool:
        """Show whether a replay may deliver a second copy."""
        return letter.may_have_arrived

    @admin.display(description="Notification")
    def notification_link(self, letter: DeadLetter) -> str:
        """Link to the notification."""
        return _link(letter.notification_id) if letter.notification_id else "-"

    @admin.display(description="Timeline")
    def timeline_table(self, letter: DeadLetter) -> SafeString:
        """Show the timeline of the notification."""
        rows = (
            (f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.status, entry.provider or "", entry.detail)
            for entry in history.timeline_of(letter)
        )
        return format_html_join("", "<div>{} <b>{}</b> {} {}</div>", rows)

    @admin.display(description="Lineage")
    def lineage(self, letter: DeadLetter) -> SafeString:
        """Show the notifications that it replays and those that replay it."""
        rows = ((_link(row.pk), row.status, row.reason) for row in history.lineage_of(letter))
        return format_html_join("", "<div>{} <b>{}</b> {}</div>", rows)

    @admin.display(description="Who did what")
    def audit_trail(self, letter: DeadLetter) -> SafeString:
        """Show every action on the letter."""
        rows = (
            (f"{line.at:%Y-%m-%d %H:%M:%S}", line.action, line.by, line.note)
            for line in history.actions_on(letter)
        )
        return format_html_join("", "<div>{} <b>{}</b> by {} {}</div>", rows)

    @admin.display(description="x-death")
    def x_death_shown(self, letter: DeadLetter) -> SafeString:
        """Show the broker's ``x-death`` header."""
        return _document(letter.x_death)

    @admin.display(description="Message")
    def message_shown(self, letter: DeadLetter) -> SafeString:
        """Show headers and body as stored."""
        return _document(letter.message)

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Allow users who may change dead letters to replay and discard them."""
        return self.may(request, "change_deadletter")

    @admin.action(description="Replay", permissions=["settle"])
    def replay(self, request: HttpRequest, chosen: QuerySet[DeadLetter]) -> None:
        """Replay the chosen letters. Each is checked independently."""
        note, by = _words(request), by_staff(request)
        self._each(
            request, chosen, lambda pk: replay_one.replay(pk, by=by, note=note), word="replayed"
        )

    @admin.action(
        description="Replay, although the first copy may have arrived", permissions=["settle"]
    )
    def replay_doubtful(self, request: HttpRequest, chosen: QuerySet[DeadLetter]) -> None:
        """Replay the chosen letters, including mails that may have arrived."""
        note, by = _words(request), by_staff(request)
        self._each(
            request,
            chosen,
            lambda pk: replay_one.replay(pk, by=by, note=note, may_have_arrived=True),
            word="replayed",
        )

    @admin.action(description="Discard, with the reason given", permissions=["settle"])
    def discard(self, request: HttpRequest, chosen: QuerySet[DeadLetter]) -> None:
        """Discard the chosen letters."""
        reason, by = _words(request), by_staff(request)
        if not reason:
            self.message_user(request, "A reason is needed to discard.", messages.ERROR)
            return
        self._each(
            request,
            chosen,
            lambda pk: replay_one.discard(pk, by=by, reason=reason),
            word="discarded",
        )

    def _each(
        self,
        request: HttpRequest,
        chosen: QuerySet[DeadLetter],
        act: Callable[[Any], object],
        *,
        word: str,
    ) -> None:
        done, refused = 0, []
        ids = list(chosen.values_list("pk", flat=True)[: BY_HAND_MAX + 1])
        if len(ids) > BY_HAND_MAX:
            words = f"Choose {BY_HAND_MAX} at most; a dead letter replay takes any number."
            self.message_user(request, words, messages.ERROR)
            return
        for pk in ids:
            try:
                act(pk)
                done += 1
            except Problem as problem:
                refused.append(f"{pk}: {problem.detail}")
        if done:
            self.message_user(request, f"{done} {word}.", messages.SUCCESS)
        for line in refused:
            self.message_user(request, line, messages.WARNING)


def _words(request: HttpRequest) -> str:
    """Return the reason of the action. Django has already validated it with ``NoteForm``."""
    return request.POST.get("note", "").strip()


def _link(notification_id: Any) -> SafeString:
    address = reverse("admin:notifications_notification_change", args=[notification_id])
    return format_html('<a href="{}">{}</a>', address, notification_id)


def _document(value: Any) -> SafeString:
    shown = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html("<pre>{}</pre>", shown)
