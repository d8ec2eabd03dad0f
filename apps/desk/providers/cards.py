"""What the page of providers says about each of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from apps.common.keyset import ROWS_SEARCHED
from apps.desk.actors import names_of
from apps.desk.messages.story import OUTCOMES
from apps.notifications.delivery.route import SANDBOX
from apps.notifications.flow_control import control
from apps.notifications.flow_control.breakers import State
from apps.notifications.flow_control.control import ProviderState
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.models import Attempt

REPLIES_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Line:
    """One failed call of a provider, and what its outcome means."""

    attempt: Attempt
    meaning: str
    look: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """One provider of one channel.

    Attributes:
        provider: Its breakers and its limit.
        said: How it is, in one sentence.
        replies: Its latest failed calls, newest first, among the newest of all.
        who: What to call those who forced its breakers.
    """

    provider: ProviderState
    said: str
    replies: Sequence[Line]
    who: Mapping[str, str]


def cards() -> list[Card]:
    """Return the configured providers by channel and preference, then those not in use."""
    configured = list(control.configured())
    others = [one for one in control.known() if one.preference is None]
    states = [*configured, *others]
    forced_by = (breaker.forced_by for one in states for breaker in one.breakers)
    who = names_of(by for by in forced_by if by)
    oldest = _oldest_searched()
    return [
        Card(
            provider=state,
            said=said(state),
            replies=list(_replies(state, oldest)),
            who=who,
        )
        for state in states
    ]


def said(state: ProviderState) -> str:
    """Return how a provider is, in one sentence."""
    if state.preference is None:
        return "It is not in use: no setting names it."
    if not state.breakers:
        return "It keeps what would have been sent. Nothing leaves this server."
    if state.limit.paused_until is not None:
        return "It wants no call now; what waits for it is sent later."
    closed = [one for one in state.breakers if one.state is State.CLOSED]
    if not closed:
        return "Nothing is sent through it now: the next provider takes over, or messages wait."
    if len(closed) < len(state.breakers):
        served = ", ".join(one.platform or one.name for one in closed)
        return f"It serves only {served}; for the others the next takes over, or messages wait."
    place = "the first choice" if state.preference == 1 else f"choice {state.preference}"
    return f"It is {place} for {state.channel.value} and sends."


def _oldest_searched() -> object:
    """Return the id of the oldest call that is searched; None if all are.

    Calls have no index by provider, so a page looks at the newest of all.
    """
    ids = Attempt.objects.order_by("-pk").values_list("pk", flat=True)
    return ids[ROWS_SEARCHED - 1 : ROWS_SEARCHED].first()


def _replies(state: ProviderState, oldest: object) -> Iterator[Line]:
    calls = Attempt.objects.filter(provider=state.name)
    if state.name == SANDBOX:
        # The only name that both channels have; for the others this would join every row in vain.
        calls = calls.filter(notification__channel=state.channel)
    if oldest is not None:
        calls = calls.filter(pk__gte=oldest)
    failed = calls.exclude(outcome=Outcome.ACCEPTED).order_by("-pk")
    for attempt in failed[:REPLIES_SHOWN]:
        meaning, look = OUTCOMES.get(attempt.outcome, (attempt.outcome, ""))
        yield Line(attempt=attempt, meaning=meaning, look=look)
