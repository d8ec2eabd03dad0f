"""The form that forces a breaker: which way, why, and for how long."""

from collections.abc import Mapping

from django import forms

from apps.notifications.flow_control.breakers import Forced

REASON_MAX_LENGTH = 200
WAYS: Mapping[str, str] = {
    Forced.OPEN.value: "Send nothing through it",
    Forced.CLOSED.value: "Send through it although it fails",
}
UNTIL_GIVEN_BACK = "given-back"
# How long, in words, and in seconds; None lasts until it is given back.
LENGTHS: Mapping[str, tuple[str, float | None]] = {
    "15-minutes": ("15 minutes", 15 * 60),
    "1-hour": ("1 hour", 3_600),
    "4-hours": ("4 hours", 4 * 3_600),
    UNTIL_GIVEN_BACK: ("until somebody gives it back", None),
}
FIRST_LENGTH = "1-hour"


class ForceForm(forms.Form):
    """How to force a breaker."""

    way = forms.ChoiceField(choices=list(WAYS.items()))
    length = forms.ChoiceField(choices=[(name, words) for name, (words, _) in LENGTHS.items()])
    reason = forms.CharField(max_length=REASON_MAX_LENGTH)

    @property
    def forced(self) -> Forced:
        """The override."""
        return Forced(self.cleaned_data["way"])

    @property
    def seconds(self) -> float | None:
        """After how many seconds it ends; None if it lasts until it is given back."""
        return LENGTHS[self.cleaned_data["length"]][1]

    @property
    def length_words(self) -> str:
        """How long it lasts."""
        words = LENGTHS[self.cleaned_data["length"]][0]
        return words if self.seconds is None else f"for {words}"
