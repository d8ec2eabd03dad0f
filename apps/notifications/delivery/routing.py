"""Which provider takes which message: the preferred one, and the next while its breaker is open."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from apps.common.callers import Kind
from apps.notifications import breakers
from apps.notifications.providers.base import Mail, Push
from apps.notifications.providers.registry import providers_for
from apps.notifications.queues import Channel

# Test notifications go nowhere else. It has no breaker: nothing is behind it.
SANDBOX = "sandbox"
# A broken key of one platform must not stop the others.
PLATFORMS = ("android", "ios", "web")


@dataclass(frozen=True, kw_only=True)
class Parcel:
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
        held_until: When to try again with those that no provider takes now.
    """

    provider: dict[int, str] = field(default_factory=dict)
    breaker: dict[int, str] = field(default_factory=dict)
    held_until: dict[int, datetime] = field(default_factory=dict)


def breakers_of(provider: str, channel: str) -> list[str]:
    """Name the breakers of a provider: one for each platform of push, else one."""
    if provider == SANDBOX:
        return []
    if channel == Channel.PUSH:
        return [breakers.breaker_name(provider, platform) for platform in PLATFORMS]
    return [breakers.breaker_name(provider)]


def plan(channel: Channel, parcels: Sequence[Parcel]) -> Plan:
    """Find a provider for each message; one question to a breaker for all that go its way."""
    made = Plan()
    by_platform: dict[str, list[int]] = {}
    for place, parcel in enumerate(parcels):
        if parcel.kind == Kind.TEST:
            made.provider[place], made.breaker[place] = SANDBOX, ""
        else:
            by_platform.setdefault(parcel.platform, []).append(place)
    for platform, places in by_platform.items():
        _place(made, channel, platform, places)
    return made


def _place(made: Plan, channel: Channel, platform: str, places: list[int]) -> None:
    left = places
    again_at: list[datetime] = []
    for provider in providers_for(channel):
        if not left:
            return
        if provider == SANDBOX:
            going, left, breaker = left, [], ""
        else:
            breaker = breakers.breaker_name(provider, platform)
            admission = breakers.admit(breaker, wanted=len(left))
            going, left = left[: admission.count], left[admission.count :]
            again_at.append(admission.ask_again_at)
        for place in going:
            made.provider[place], made.breaker[place] = provider, breaker
    for place in left:
        made.held_until[place] = min(again_at)
