"""The form of delivering again: of which time, and in which state."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from apps.desk.letters.replay_form import Moment
from apps.webhooks.models import DeliveryState

# What is asked for at first: what was given up in the last day.
FIRST = timedelta(days=1)
FORMAT = "%Y-%m-%dT%H:%M"
STATES: Mapping[str, str] = {
    DeliveryState.FAILED.value: "what was given up",
    DeliveryState.DELIVERED.value: "what was taken",
    "": "both",
}


class WindowForm(forms.Form):
    """Which deliveries begin again."""

    since = forms.DateTimeField(widget=Moment)
    until = forms.DateTimeField(widget=Moment)
    state = forms.ChoiceField(choices=list(STATES.items()), required=False)

    def clean(self) -> dict[str, Any]:
        """Refuse a window that ends before it begins."""
        given: dict[str, Any] = super().clean() or {}
        since, until = given.get("since"), given.get("until")
        if since and until and until <= since:
            self.add_error("until", "The end must be after the begin.")
        return given

    @property
    def window(self) -> dict[str, Any]:
        """The window, as ``redelivery`` takes it."""
        given = self.cleaned_data
        return {"since": given["since"], "until": given["until"], "state": given["state"] or None}


def first_values(now: datetime) -> dict[str, str]:
    """Return what the form has at first, in the zone of the account."""
    local = timezone.localtime(now)
    return {
        "since": f"{local - FIRST:{FORMAT}}",
        "until": f"{local + timedelta(minutes=1):{FORMAT}}",
        "state": DeliveryState.FAILED.value,
    }
