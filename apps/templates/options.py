"""The options of a version: constant values beside its text, such as the sound of a push."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from apps.common.channels import Channel

# The maximum of FCM: https://firebase.google.com/docs/cloud-messaging/concept-options#ttl
TTL_MAX_SECONDS = 2_419_200
BADGE_MAX = 99_999
NAME_MAX_LENGTH = 100
# RFC 5321, 4.5.3.1.3, and room for a name.
MAILBOX_MAX_LENGTH = 320
ONE_WORD_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")
ADDRESS = re.compile(r"[^\s<>,;@]+@[^\s<>,;@]+")

# Returns a sentence about an invalid value; None for a valid one.
Check = Callable[[Any], str | None]


def _name(value: Any) -> str | None:
    if isinstance(value, str) and len(value) <= NAME_MAX_LENGTH and ONE_WORD_LINE.fullmatch(value):
        return None
    return f"Expected 1 to {NAME_MAX_LENGTH} characters in one line."


def _number(most: int) -> Check:
    def check(value: Any) -> str | None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return (
            None if whole and 0 <= value <= most else f"Expected a whole number from 0 to {most}."
        )

    return check


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "Expected true or false."


def _address(value: Any) -> str | None:
    if isinstance(value, str) and len(value) <= MAILBOX_MAX_LENGTH and ADDRESS.fullmatch(value):
        return None
    return "Expected one address, without a name."


OPTIONS: Mapping[str, Mapping[str, Check]] = {
    Channel.EMAIL: {"reply_to": _address},
    Channel.PUSH: {
        "sound": _name,
        "badge": _number(BADGE_MAX),
        "channel_id": _name,
        "silent": _boolean,
        "ttl_seconds": _number(TTL_MAX_SECONDS),
    },
}
