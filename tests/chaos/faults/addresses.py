"""Two workers handle the same dead addresses or devices in opposite order at the same time.

The workers must not deadlock, so neither fault explains a copy. Every mail to such an address
bounces, because none was known to be dead when the mails were prepared.
"""

import time
from uuid import uuid4

from apps.common.channels import Channel
from tests.chaos import bulk
from tests.chaos.copies import CALLS_IN_FLIGHT
from tests.chaos.environment import PLATFORMS, Environment
from tests.chaos.faults.registry import fault
from tests.fakes.fcm_server import refusal

DEAD = 45
GOOD = 5
ROUNDS = 4
URGENT_PRIORITY, NORMAL_PRIORITY = 8, 5
HELD_SECONDS = 10.0
POLL_SECONDS = 0.02
# By then both bulk calls have been answered and both chunks are in flight.
OPENS_AFTER_SECONDS = 3.0
UNREGISTERED = refusal(404, "NOT_FOUND", "Requested entity was not found.", fcm="UNREGISTERED")


@fault(
    says="two chunks with the same 45 dead addresses in opposite order, recorded together, 4 times",
    endings=frozenset({"bounced (hard_bounce)"}),
)
def addresses_deadlock(environment: Environment, seconds: float) -> None:
    """Let the normal and the urgent worker retire the same addresses at the same time."""
    try:
        for number in range(ROUNDS):
            mark = uuid4().hex[:6]
            addresses = [f"dead-{mark}-{place}@example.com" for place in range(DEAD)]
            people = [
                environment.user(address.partition("@")[0], email=address) for address in addresses
            ]
            environment.smtp.hold()
            environment.smtp.gone |= frozenset(addresses)
            _ask_in_both_orders(environment, Channel.EMAIL, people)
            met = _both_meet(environment)
            environment.smtp.let_go()
            # If an earlier round has hurt a worker, the fault has been found; end the rounds.
            if not met:
                assert number, "the two workers did not meet the dead addresses together"
                break
            time.sleep(seconds / ROUNDS / 2)
    finally:
        environment.smtp.let_go()
        environment.afterwards.callback(environment.smtp.behave)


def _both_meet(environment: Environment) -> bool:
    """Wait until all threads of both workers have reached a dead address."""
    end = time.monotonic() + HELD_SECONDS
    while len(environment.smtp.held) < 2 * CALLS_IN_FLIGHT[Channel.EMAIL]:
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


@fault(
    says="two chunks with the same 45 dead devices in opposite order, recorded together, 4 times"
)
def devices_deadlock(environment: Environment, seconds: float) -> None:
    """Let the normal and the urgent worker retire the same devices at the same time.

    Each user has a second device, which accepts the message.
    """
    environment.afterwards.callback(environment.fcm.behave)
    for _ in range(ROUNDS):
        mark = uuid4().hex[:6]
        people = [_with_a_dead_device(environment, f"{mark}-{number}") for number in range(DEAD)]
        environment.fcm.opens_at = time.time() + OPENS_AFTER_SECONDS
        _ask_in_both_orders(environment, Channel.PUSH, people)
        time.sleep(max(OPENS_AFTER_SECONDS, seconds / ROUNDS / 2))


def _ask_in_both_orders(environment: Environment, channel: Channel, dead: list[str]) -> None:
    good = environment.recipients.users[channel][:GOOD]
    bulk.request_each(environment, channel, users=[*dead, *good], priority=NORMAL_PRIORITY)
    bulk.request_each(
        environment, channel, users=[*reversed(dead), *good], priority=URGENT_PRIORITY
    )


def _with_a_dead_device(environment: Environment, name: str) -> str:
    user = environment.user(f"person-{name}")
    for number, token in enumerate((f"dead-{name}", f"good-{name}")):
        device = {"push_token": token, "platform": PLATFORMS[number]}
        environment.api.made(f"/api/v1/users/{user}/devices/", device)
    environment.fcm.answer(f"dead-{name}", UNREGISTERED)
    return user
