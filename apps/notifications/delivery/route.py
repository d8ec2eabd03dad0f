"""Which provider takes which message: the preferred one, and the next while its breaker is open.

The next takes over also while a provider wants no call at all. Under a limit there is no such
change: what may not go yet waits for its turn with the provider that it was for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from apps.common.callers import Kind
from apps.notifications.broker.topology import Channel
from apps.notifications.delivery.retry_policy import Held
from apps.notifications.flow_control import breakers, limits
from apps.notifications.providers.base import Mail, Push
from apps.notifications.providers.registry import providers_for

# Test notifications go nowhere else. It has no breaker: nothing is behind it.
SANDBOX = "sandbox"
# A broken key of one platform must not stop the others.
PLATFORMS = ("android", "ios", "web")


@dataclass(frozen=True, kw_only=True)
class OutgoingMessage:
    """One message on its way to some provider."""

    message: Mail | Push
    kind: str

    @property
    def platform(self) -> str:
        """The platform behind the provider, which may fail by itself; empty for mail."""
        return self.message.platform if isinstance(self.message, Push) else ""


@dataclass(kw_only=True)
class Plan:
    """Where the messages of a chunk go, by their place in it.

    Attributes:
        provider: The provider of each message that goes now.
        breaker: The breaker that let each of them through; empty for the sandbox.
        held: What becomes of those that no provider takes now.
    """

    provider: dict[int, str] = field(default_factory=dict)
    breaker: dict[int, str] = field(default_factory=dict)
    held: dict[int, Held] = field(default_factory=dict)


def breakers_of(provider: str, channel: str) -> list[str]:
    """Name the breakers of a provider: one for each platform of push, else one."""
    if provider == SANDBOX:
        return []
    if channel == Channel.PUSH:
        return [breakers.breaker_name(provider, platform) for platform in PLATFORMS]
    return [breakers.breaker_name(provider)]


def plan(
    channel: Channel,
    outgoing_messages: Sequence[OutgoingMessage],
    *,
    turn: limits.Turn | None = None,
) -> Plan:
    """Find a provider for each message; one question to a breaker or limit for all its messages.

    Args:
        channel: The channel of all of them.
        outgoing_messages: The messages of a chunk.
        turn: How urgent they are, and whether they have waited for a limit before.
    """
    made = Plan()
    left: list[int] = []
    for place, outgoing in enumerate(outgoing_messages):
        if outgoing.kind == Kind.TEST:
            made.provider[place], made.breaker[place] = SANDBOX, ""
        else:
            left.append(place)
    for provider in providers_for(channel):
        if not left:
            break
        if provider == SANDBOX:
            made.provider.update(dict.fromkeys(left, SANDBOX))
            made.breaker.update(dict.fromkeys(left, ""))
            left = []
        else:
            left = _offer(made, provider, outgoing_messages, left, turn or limits.Turn())
    # Whoever a later provider took after all does not wait.
    made.held = {place: held for place, held in made.held.items() if place not in made.provider}
    return made


def _offer(
    made: Plan,
    provider: str,
    outgoing_messages: Sequence[OutgoingMessage],
    places: list[int],
    turn: limits.Turn,
) -> list[int]:
    """Place what a provider takes, and return what is left for the next one."""
    through, probing, left = _let_through(made, provider, outgoing_messages, places)
    if not through:
        return left
    permit = limits.take(provider, wanted=len(through), turn=turn)
    going = dict(list(through.items())[: permit.count])
    waiting = [place for place in through if place not in going]
    made.provider.update(dict.fromkeys(going, provider))
    made.breaker.update(going)
    for place, until in zip(waiting, permit.turns, strict=True):
        why = (
            f"waits: {provider} wants no calls now"
            if permit.paused
            else f"waits for its turn with {provider}"
        )
        _hold(made, place, Held(until=until, why=why))
    for breaker in probing:
        unmade = sum(through[place] == breaker for place in waiting)
        if unmade:
            breakers.give_back(breaker, count=unmade)
    return [*left, *waiting] if permit.paused else left


def _let_through(
    made: Plan, provider: str, outgoing_messages: Sequence[OutgoingMessage], places: list[int]
) -> tuple[dict[int, str], list[str], list[int]]:
    """Ask the breakers of a provider.

    Returns:
        The breaker of each message that may go, those breakers that want probes, and the rest.
    """
    by_breaker: dict[str, list[int]] = {}
    for place in places:
        name = breakers.breaker_name(provider, outgoing_messages[place].platform)
        by_breaker.setdefault(name, []).append(place)
    through: dict[int, str] = {}
    probing: list[str] = []
    left: list[int] = []
    for name, asking in by_breaker.items():
        admission = breakers.admit(name, wanted=len(asking))
        through.update(dict.fromkeys(asking[: admission.count], name))
        if admission.probing:
            probing.append(name)
        for place in asking[admission.count :]:
            _hold(made, place, Held(until=admission.ask_again_at))
            left.append(place)
    return dict(sorted(through.items())), probing, sorted(left)


def _hold(made: Plan, place: int, held: Held) -> None:
    """Note when a message may go; the provider that takes it first counts."""
    known = made.held.get(place)
    if known is None or held.until < known.until:
        made.held[place] = held
