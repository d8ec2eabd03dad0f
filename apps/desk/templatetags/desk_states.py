"""How the desk writes the states of dead letters, replays, batches and breakers."""

from collections.abc import Mapping

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.notifications.flow_control.breakers import State
from apps.notifications.lifecycle.states import LetterState
from apps.notifications.models import BatchState, ReplayState

register = template.Library()

# The class that colours a state, its sign, and its word.
Look = tuple[str, str, str]
LETTERS: Mapping[str, Look] = {
    LetterState.OPEN: ("late", "!", "Open"),
    LetterState.REPLAYED: ("good", "↻", "Replayed"),
    LetterState.DISCARDED: ("calm", "⊘", "Discarded"),
    LetterState.RESOLVED: ("good", "✓", "Sent after all"),
}
REPLAYS: Mapping[str, Look] = {
    ReplayState.RUNNING: ("busy", "…", "Running"),
    ReplayState.FINISHED: ("good", "✓", "Finished"),
    ReplayState.CANCELLED: ("calm", "⊘", "Stopped"),
}
BATCHES: Mapping[str, Look] = {
    BatchState.RECEIVING: ("busy", "…", "Being received"),
    BatchState.RUNNING: ("busy", "…", "Running"),
    BatchState.PAUSED: ("late", "‖", "Paused"),
    BatchState.FINISHED: ("good", "✓", "All made"),
    BatchState.CANCELLED: ("calm", "⊘", "Cancelled"),
}
BREAKERS: Mapping[str, Look] = {
    State.CLOSED: ("good", "✓", "Sends"),
    State.OPEN: ("bad", "✕", "Sends nothing"),
    State.HALF_OPEN: ("late", "↻", "Is tried again"),
}
TABLES = {"letter": LETTERS, "replay": REPLAYS, "batch": BATCHES, "breaker": BREAKERS}


@register.simple_tag
def state_word(table: str, state: str) -> SafeString:
    """Show a state by a sign, a word and a colour.

    Args:
        table: Of what it is the state: ``letter``, ``replay``, ``batch`` or ``breaker``.
        state: The state.
    """
    look, sign, word = TABLES[table][state]
    return format_html(
        '<span class="status is-{}"><span aria-hidden="true">{}</span> {}</span>', look, sign, word
    )


@register.filter
def state_name(state: str, table: str) -> str:
    """Return the word of a state, for a form."""
    return TABLES[table][state][2]
