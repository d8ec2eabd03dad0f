"""The form of a replay of many: which dead letters, how fast, and why."""

from collections.abc import Mapping
from typing import Any

from django import forms

from apps.common.channels import Channel
from apps.desk.letters.acts import NOTE_MAX_LENGTH
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.dead_letters.replay_many import (
    RATE_DEFAULT_PER_SECOND,
    RATE_MAX_PER_SECOND,
)
from apps.notifications.lifecycle.reasons import explained

CRITERIA = ("reason", "channel", "provider", "template_code", "since", "until")
# The names of the criteria for readers.
WORDS = {
    "reason": "why",
    "channel": "channel",
    "provider": "provider",
    "template_code": "template",
    "since": "failed since",
    "until": "failed before",
}


class Moment(forms.DateTimeInput):
    """A field of the browser for a day and a time."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class ReplayForm(forms.Form):
    """Which dead letters to replay, as the list filters them, and how."""

    reason = forms.CharField(max_length=40, required=False)
    channel = forms.ChoiceField(
        choices=[("", "any"), *((one.value, one.value) for one in Channel)], required=False
    )
    provider = forms.CharField(max_length=30, required=False)
    template_code = forms.CharField(max_length=100, required=False)
    since = forms.DateTimeField(required=False, widget=Moment)
    until = forms.DateTimeField(required=False, widget=Moment)
    rate_per_second = forms.IntegerField(min_value=1, max_value=RATE_MAX_PER_SECOND, required=False)
    note = forms.CharField(max_length=NOTE_MAX_LENGTH, required=False)

    @property
    def asked(self) -> Filter:
        """The filter."""
        return Filter(**{name: self.cleaned_data.get(name) or None for name in CRITERIA})

    @property
    def rate(self) -> int:
        """How many a second."""
        return self.cleaned_data.get("rate_per_second") or RATE_DEFAULT_PER_SECOND


def in_words(criteria: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the criteria of a filter as name and value, for readers."""
    return [
        (WORDS[name], explained(value).sentence if name == "reason" else value)
        for name, value in criteria.items()
        if name in WORDS
    ]
