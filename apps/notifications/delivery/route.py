"""Chooses a provider for each message: the preferred one, or the next while its breaker is open.

The next one is also used while a provider wants no call at all. A rate limit does not change the
provider: messages without a token wait for the provider that they were meant for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

from apps.common.callers import Kind
from apps.common.channels import Channel
from apps.notifications.delivery.retry_policy import Held
from apps.notifications.flow_control import breakers, limits
from apps.notifications.providers.base import Mail, Push
from apps.notifications.providers.registry import providers_for

# The provider of test notifications. It has no breaker, since it makes no call.
SANDBOX = "sandbox"
# A broken key of one platform must not stop the others.
PLATFORMS = ("android", "ios", "web")


@dataclass(frozen=True, kw_only=True)
class OutgoingMessage:
    """A message that is about to be sent, and the kind of its notification."""

    message: Mail | Push
    kind: str

    @property
    def platform(self) -> str:
        """The push platform, which may fail independently of others; empty for mail."""
        return self.message.platform if isinstance(self.message, Push) else ""


@dataclass(kw_only=True)
class Plan:
    """What happens to the messages of a chunk, by their index in it.

    Attributes:
        provider: The provider of each message that is sent now.
        breaker: The breaker that admitted each of them; empty for the sandbox.
        held: Until when, and why, each of the other messages waits.
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
    request: limits.RequestClass | None = None,
) -> Plan:
    """Choose a provider for each message, with one call to each breaker and limit concerned.

    Args:
        channel: The channel of all messages.
        outgoing_messages: The messages of a chunk.
        request: How urgent they are, and whether they have waited for a limit before.
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
            wanted = request or limits.RequestClass()
            left = _assign(made, provider, outgoing_messages, left, wanted)
    # Messages that a later provider takes do not wait.
    made.held = {place: held for place, held in made.held.items() if place not in made.provider}
    return made


def _assign(
    made: Plan,
    provider: str,
    outgoing_messages: Sequence[OutgoingMessage],
    places: list[int],
    request: limits.RequestClass,
) -> list[int]:
    """Assign messages to a provider, and return the indexes that are left for the next one."""
    through, probing, left = _admitted(made, provider, outgoing_messages, places)
    if not through:
        return left
    grant = limits.take(provider, wanted=len(through), request=request)
    going = dict(list(through.items())[: grant.count])
    waiting = [place for place in through if place not in going]
    made.provider.update(dict.fromkeys(going, provider))
    made.breaker.update(going)
    now = timezone.now()
    for place, seconds in zip(waiting, grant.wait_seconds, strict=True):
        why = (
            f"waits: {provider} wants no calls now"
            if grant.paused
            else f"waits for its turn with {provider}"
        )
        _hold(made, place, Held(until=now + timedelta(seconds=seconds), why=why))
    for breaker in probing:
        unmade = sum(through[place] == breaker for place in waiting)
        if unmade:
            breakers.give_back(breaker, count=unmade)
    return [*left, *waiting] if grant.paused else left


def _admitted(
    made: Plan, provider: str, outgoing_messages: Sequence[OutgoingMessage], places: list[int]
) -> tuple[dict[int, str], list[str], list[int]]:
    """Call the breakers of a provider.

    Returns:
        The breaker of each message that may be sent, the breakers that admit probes only, and the
        indexes of the other messages.
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
            _hold(made, place, Held(until=admission.retry_at))
            left.append(place)
    return dict(sorted(through.items())), probing, sorted(left)


def _hold(made: Plan, place: int, held: Held) -> None:
    """Note until when a message waits; of several providers the earliest time counts."""
    known = made.held.get(place)
    if known is None or held.until < known.until:
        made.held[place] = held
