"""How the desk writes the states of dead letters, replays, batches, breakers and webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.desk.actors import names_of
from apps.desk.messages.story import OUTCOMES
from apps.desk.webhooks.standing import State as Standing
from apps.notifications.flow_control import control
from apps.notifications.flow_control.breakers import State
from apps.notifications.lifecycle.states import LetterState
from apps.notifications.models import BatchState, ReplayState
from apps.webhooks.models import DeliveryState

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
WEBHOOKS: Mapping[str, Look] = {
    Standing.WORKING: ("good", "✓", "Working"),
    Standing.FAILING: ("late", "!", "Failing"),
    Standing.DISABLED: ("bad", "⊘", "Disabled"),
}
DELIVERIES: Mapping[str, Look] = {
    DeliveryState.PENDING: ("busy", "…", "Waits"),
    DeliveryState.DELIVERED: ("good", "✓", "Taken"),
    DeliveryState.FAILED: ("bad", "✕", "Given up"),
}
# How old the state of the breakers may be that a page shows in its frame. A page then asks Redis
# once in so many seconds; while Redis is away, not at all.
FORCED_SECONDS = 2.0
TABLES = {
    "letter": LETTERS,
    "replay": REPLAYS,
    "batch": BATCHES,
    "breaker": BREAKERS,
    "webhook": WEBHOOKS,
    "delivery": DELIVERIES,
}


@register.filter
def outcome_words(outcome: str) -> str:
    """Say what a provider answered, as the timeline of a message says it."""
    words, _ = OUTCOMES[outcome]
    return words


@register.simple_tag
def state_word(table: str, state: str) -> SafeString:
    """Show a state by a sign, a word and a colour.

    Args:
        table: Of what it is the state: one of ``TABLES``.
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


@dataclass(frozen=True, kw_only=True)
class ForcedBreaker:
    """A breaker that is forced by hand, as every page shows it.

    Attributes:
        name: The breaker.
        is_open: Whether nothing is sent through it.
        why: The reason, in the words of who did it.
        who: Who did it; empty if it is not known.
        until: When it ends by itself; None if it lasts until it is given back.
    """

    name: str
    is_open: bool
    why: str
    who: str
    until: datetime | None


@register.simple_tag
def forced_breakers() -> list[ForcedBreaker]:
    """Return the breakers that are forced by hand, for the frame of every page."""
    found = control.forced_now(cached_seconds=FORCED_SECONDS)
    who = names_of(breaker.forced_by for breaker in found) if found else {}
    return [
        ForcedBreaker(
            name=breaker.name,
            is_open=breaker.state is State.OPEN,
            why=breaker.forced_why,
            who=who[breaker.forced_by],
            until=breaker.forced_until,
        )
        for breaker in found
    ]
