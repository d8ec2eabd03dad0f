"""The admin pages of bulk replays: count and start with a form, show the progress, stop."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from apps.common.channels import Channel
from apps.common.rest.problems import Problem
from apps.notifications.admin.dead_letters import by_staff
from apps.notifications.admin.reading import LargeTableAdmin
from apps.notifications.dead_letters import replay_many
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.models import DeadLetterAction, DeadLetterReplay

# Django's class has a type parameter only for the type checker, not at run time.
if TYPE_CHECKING:
    ReplayModelForm = forms.ModelForm[DeadLetterReplay]
else:
    ReplayModelForm = forms.ModelForm

CRITERIA = ("reason", "channel", "provider", "template_code", "since", "until")


class StartForm(ReplayModelForm):
    """The filter for the dead letters to replay. It shows the count before the start."""

    reason = forms.CharField(max_length=40, required=False)
    channel = forms.ChoiceField(
        choices=[("", "any"), *((channel.value, channel.value) for channel in Channel)],
        required=False,
    )
    provider = forms.CharField(max_length=30, required=False)
    template_code = forms.CharField(max_length=100, required=False)
    since = forms.SplitDateTimeField(required=False, widget=AdminSplitDateTime)
    until = forms.SplitDateTimeField(required=False, widget=AdminSplitDateTime)
    rate_per_second = forms.IntegerField(
        min_value=1,
        max_value=replay_many.RATE_MAX_PER_SECOND,
        initial=replay_many.RATE_DEFAULT_PER_SECOND,
    )
    note = forms.CharField(max_length=500, required=False, help_text="Why, for the audit trail.")
    confirmed = forms.BooleanField(
        required=False,
        label="Start",
        help_text="Leave this empty to see first how many dead letters match.",
    )

    class Meta:
        model = DeadLetterReplay
        fields = ("rate_per_second", "note")

    @property
    def asked(self) -> Filter:
        """The filter from the form."""
        return Filter(**{name: self.cleaned_data.get(name) or None for name in CRITERIA})

    def clean(self) -> dict[str, Any]:
        """Refuse the form with the count as the message until the start is confirmed."""
        cleaned = super().clean() or {}
        if not self.errors and not cleaned.get("confirmed"):
            matched = replay_many.count(self.asked, kind="")
            message = f"{matched} open dead letters match. Tick Start to replay them."
            raise ValidationError(message, code="unconfirmed")
        return cleaned


@admin.register(DeadLetterReplay)
class DeadLetterReplayAdmin(LargeTableAdmin[DeadLetterReplay]):
    """Replays of all dead letters that match a filter."""

    list_display = (
        "id",
        "state",
        "by",
        "matched",
        "replayed",
        "refused",
        "rate_per_second",
        "created_at",
        "ended_at",
    )
    list_filter = ("state",)
    actions = ("cancel",)
    form = StartForm
    fields = (
        "id",
        "state",
        "by",
        "note",
        "criteria",
        "rate_per_second",
        "matched",
        "replayed",
        "refused",
        "remaining",
        "refused_because",
        "failures",
        "last_error",
        "audit_trail",
        "created_at",
        "ended_at",
    )

    def get_fields(self, request: HttpRequest, obj: DeadLetterReplay | None = None) -> Any:
        """Return the form fields of a new replay, or the fields of an existing one."""
        asked = (*CRITERIA, "rate_per_second", "note", "confirmed")
        return asked if obj is None else self.fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow users who may change dead letters to replay them."""
        return self.may(request, "change_deadletter")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Allow users who may start a replay to stop it."""
        return self.may(request, "change_deadletter")

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:  # noqa: FBT001 - Django's signature.
        """Start the replay with the form's values."""
        return replay_many.start(
            form.asked,
            kind="",
            by=by_staff(request),
            rate_per_second=form.cleaned_data["rate_per_second"],
            note=form.cleaned_data["note"],
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature.
        """Do nothing, because ``save_form`` has stored the replay."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature.
        """Do nothing, because a replay has no related objects."""

    @admin.display
    def remaining(self, replay: DeadLetterReplay) -> int:
        """Show the number of remaining letters."""
        return replay_many.remaining(replay)

    @admin.display
    def refused_because(self, replay: DeadLetterReplay) -> SafeString:
        """Show each reason of a refusal with its count."""
        rows = sorted(replay.refusals.items())
        return format_html_join("", "<div>{} ({})</div>", rows)

    @admin.display(description="Who did what")
    def audit_trail(self, replay: DeadLetterReplay) -> SafeString:
        """Show who started and who stopped the replay."""
        lines = DeadLetterAction.objects.filter(replay=replay, letter_id=None).order_by("pk")
        rows = ((f"{line.at:%Y-%m-%d %H:%M:%S}", line.action, line.by) for line in lines)
        return format_html_join("", "<div>{} <b>{}</b> by {}</div>", rows)

    @admin.action(description="Stop", permissions=["cancel"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[DeadLetterReplay]) -> None:
        """Stop the chosen replays that are still running."""
        for replay in chosen:
            try:
                replay_many.cancel(replay.pk, by=by_staff(request))
            except Problem as problem:
                self.message_user(request, f"{replay.pk}: {problem.detail}", messages.WARNING)
            else:
                self.message_user(request, f"{replay.pk} stopped.", messages.SUCCESS)


@admin.register(DeadLetterAction)
class DeadLetterActionAdmin(LargeTableAdmin[DeadLetterAction]):
    """The audit trail of dead letters: actor, action, time and reason."""

    list_display = ("at", "action", "by", "letter_id", "replay", "note")
    list_filter = ("action", ("at", admin.DateFieldListFilter))
    search_fields = ("by",)
    search_help_text = "Who: a client, staff:<user id> or operator, in full."
    fields = ("at", "action", "by", "note", "letter_id", "replay", "detail")

    def without_index(self, term: str) -> Q:
        """Return the condition of an actor."""
        return Q(by=term)
