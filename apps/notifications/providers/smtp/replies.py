"""Classify SMTP replies: first by the RFC 3463 enhanced status, then by the RFC 5321 code."""

import re
from enum import StrEnum

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply, provider_words

GREYLIST_RETRY_AFTER_SECONDS = 60.0  # RFC 6647, 5: greylisting requires at least a minute.
ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")
# SMTP has no code for rate limiting. Servers reply "4.7.28 ... has detected an unusual rate",
# "4.7.500 Server busy", "Throttling failure", "Error: too much mail from", "thread limit exceeded".
TOO_FAST = re.compile(
    r"\b(throttl\w*|rate|too (fast|quickly|frequent\w*|much mail|many (mails|messages|connections|"
    r"requests|sessions))|slow down|server busy|limit exceeded|exceeded .*limit)\b",
    re.IGNORECASE,
)
# These concern the recipient's mailbox, which gets too much mail from all senders: Gmail's "450
# 4.2.1 The user you are trying to contact is receiving mail too quickly".
ABOUT_THE_MAILBOX = (4, 2)
# The sender's own quota or rate, for which a provider often has no code of its own: "554 5.7.0 The
# limit on the number of allowed outgoing messages was exceeded", "550 Domain example.com has
# exceeded the max emails per hour (100/100) allowed".
OF_THE_SENDER = re.compile(
    r"\b(daily|hourly|monthly|per[ -](day|hour|month|minute|second)|sending|outgoing|outbound|"
    r"sender|tenant|(e-?mails?|messages?|recipients?) (you|that you|per|can|allowed))\b",
    re.IGNORECASE,
)
LIMIT_REACHED = re.compile(
    r"\b(limit\w*|quota|threshold|allowance|max(imum)?|number|rate|activity)\b.*"
    r"\b(exceed\w*|reached|over|unusual\w*)\b|"
    r"\b(exceed\w*|reached|over|unusual\w*)\b.*"
    r"\b(limit\w*|quota|threshold|allowance|max(imum)?|number|rate|activity)\b",
    re.IGNORECASE | re.DOTALL,
)
ABOUT_A_MAILBOX = re.compile(
    r"\b(mailbox|inbox|storage|disk)\b|\brecipient('s)? (is|has|quota|over)", re.IGNORECASE
)
QUEUED_AS = re.compile(r"\bqueued as ([\w.-]{1,100})", re.IGNORECASE)


class Stage(StrEnum):
    """The command that a reply answers."""

    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END = "end"  # The final dot: with a 2xx here the server has accepted the mail.


Meaning = tuple[Outcome, str]

CLOSING: Meaning = (Outcome.TRANSIENT, "service_closing")
SLOW_DOWN: Meaning = (Outcome.RATE_LIMITED, "slow_down")
CREDENTIALS: Meaning = (Outcome.CONFIGURATION, "credentials")
SESSION: Meaning = (Outcome.CONFIGURATION, "session")
SENDER: Meaning = (Outcome.CONFIGURATION, "sender")
QUOTA: Meaning = (Outcome.CONFIGURATION, "sender_quota")
HARD_BOUNCE: Meaning = (Outcome.DEAD_ADDRESS, "hard_bounce")
MAILBOX_FULL: Meaning = (Outcome.TRANSIENT, "mailbox_full")
TOO_LARGE: Meaning = (Outcome.REJECTED, "message_too_large")
POLICY: Meaning = (Outcome.REJECTED, "policy")
PROTOCOL: Meaning = (Outcome.DEFECT, "protocol")

# RFC 3463. The longest listed prefix decides.
BY_STATUS: dict[tuple[int, ...], Meaning] = {
    (4, 2, 2): MAILBOX_FULL,
    (4, 7): (Outcome.TRANSIENT, "greylisted"),
    (4,): (Outcome.TRANSIENT, ""),
    (5, 1): HARD_BOUNCE,
    (5, 1, 7): SENDER,  # The sender's address is malformed, which is no fault of the recipient.
    (5, 1, 8): SENDER,  # The sender's domain is not accepted.
    (5, 1, 90): QUOTA,  # Microsoft 365: the daily limit of recipients.
    (5, 2, 1): HARD_BOUNCE,
    (5, 2, 2): MAILBOX_FULL,
    (5, 2, 3): TOO_LARGE,
    (5, 3, 4): TOO_LARGE,
    (5, 4, 5): QUOTA,  # Gmail: "Daily user sending limit exceeded".
    (5, 7): POLICY,
    (5, 7, 8): CREDENTIALS,
    # Microsoft 365: the limits of a tenant.
    (5, 7, 232): QUOTA,
    (5, 7, 233): QUOTA,
    (5, 7, 236): QUOTA,
    (5, 7, 705): QUOTA,
}

# These codes are more specific about the cause than a general 5.7.0 that follows them.
CREDENTIAL_CODES = frozenset({530, 534, 535, 538})

# RFC 5321, if no enhanced status decides.
BY_CODE: dict[int, Meaning] = {
    500: PROTOCOL,
    501: PROTOCOL,
    502: PROTOCOL,
    503: PROTOCOL,
    504: PROTOCOL,
    555: PROTOCOL,
    552: MAILBOX_FULL,  # 4.5.3.1.10: to be treated as 452.
    556: HARD_BOUNCE,  # RFC 7504, 3: the domain accepts no mail at all.
    571: POLICY,
}

# A 550, 551 or 553 without enhanced status may mean "no such mailbox", "no access" or "policy"
# (4.2.3). The mail fails, but the address is not proven dead, so it is not suppressed.
BY_CLASS: dict[int, Meaning] = {4: (Outcome.TRANSIENT, ""), 5: (Outcome.REJECTED, "")}

# The codes whose text may speak of the sender's quota.
QUOTA_CODES = frozenset({550, 552, 554})

# Before MAIL a permanent refusal concerns us and not this mail, which waits until the cause is
# corrected. A temporary one concerns the server.
BEFORE_MAIL: dict[Stage, Meaning] = {
    Stage.CONNECT: SESSION,
    Stage.EHLO: SESSION,
    Stage.STARTTLS: SESSION,
    Stage.AUTH: CREDENTIALS,
}


def classify(code: int, text: bytes | str, stage: Stage, *personal: str) -> Reply:
    """Classify one reply.

    Args:
        code: The three-digit reply code.
        text: The text after the code, lines joined by newlines.
        stage: The command that it answers.
        personal: Values that must not appear in the detail, such as the recipient.
    """
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    found = ENHANCED.match(words)
    status = tuple(int(number) for number in found.groups()) if found else ()
    outcome, reason = _meaning(code, status, stage)
    if _is_too_fast(code, status, stage, words):
        if outcome is Outcome.TRANSIENT:
            outcome, reason = SLOW_DOWN
        elif outcome is Outcome.UNAVAILABLE:
            reason = SLOW_DOWN[1]
    if outcome is not Outcome.CONFIGURATION and _is_quota(code, status, words):
        outcome, reason = QUOTA
    queued = QUEUED_AS.search(words) if outcome is Outcome.ACCEPTED else None
    return Reply(
        outcome=outcome,
        code=f"{code} {found[0]}" if found else str(code),
        detail=provider_words(_without_status(words, found), *personal),
        reason=reason,
        provider_message_id=queued[1] if queued else "",
        retry_after=GREYLIST_RETRY_AFTER_SECONDS if status[:2] == (4, 7) else None,
    )


def _meaning(code: int, status: tuple[int, ...], stage: Stage) -> Meaning:
    """Look the reply up: 421 first, then refusals, then whether the mail was accepted."""
    kind = code // 100
    if code == 421:  # noqa: PLR2004 - RFC 5321, 3.8: the server closes the session.
        return (Outcome.UNAVAILABLE, CLOSING[1]) if stage in BEFORE_MAIL else CLOSING
    if kind in BY_CLASS:
        return _refusal(code, status, stage)
    if stage is not Stage.END:
        return Outcome.TRANSIENT, "unreadable_reply"
    # A 2yz accepts the mail. After a reply that RFC 5321 does not define, the outcome is unknown.
    return (Outcome.ACCEPTED, "") if kind == 2 else (Outcome.UNKNOWN, "unreadable_reply")  # noqa: PLR2004


def _is_too_fast(code: int, status: tuple[int, ...], stage: Stage, words: str) -> bool:
    """Return whether a temporary refusal is a rate limit.

    SES uses a 454 for this in reply to commands other than STARTTLS and AUTH (RFC 3207, 4; RFC
    4954, 6): https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html
    """
    if code // 100 != 4 or status[:2] == ABOUT_THE_MAILBOX:  # noqa: PLR2004
        return False
    plain_454 = code == 454 and not status and stage not in BEFORE_MAIL  # noqa: PLR2004
    return plain_454 or TOO_FAST.search(words) is not None


def _is_quota(code: int, status: tuple[int, ...], words: str) -> bool:
    """Return whether a refusal speaks of what the sender may send, and not of a mailbox."""
    return (
        code in QUOTA_CODES
        and (not status or status[:2] in {(5, 4), (5, 7)})
        and OF_THE_SENDER.search(words) is not None
        and LIMIT_REACHED.search(words) is not None
        and ABOUT_A_MAILBOX.search(words) is None
    )


def _without_status(words: str, found: "re.Match[str] | None") -> str:
    """Remove the enhanced status at the beginning of each line, because the code has it already."""
    if found is None:
        return words
    return "\n".join(line.removeprefix(found[0]) for line in words.splitlines())


def _refusal(code: int, status: tuple[int, ...], stage: Stage) -> Meaning:
    passing = status[:1] == (4,) or (not status and BY_CLASS[code // 100] == BY_CLASS[4])
    if not passing and code in CREDENTIAL_CODES:
        return CREDENTIALS
    if stage in BEFORE_MAIL:
        return (Outcome.UNAVAILABLE, "session") if passing else BEFORE_MAIL[stage]
    if status[:2] == (5, 1) and stage is Stage.MAIL:
        return SENDER
    return _by_status(status) or BY_CODE.get(code) or BY_CLASS[code // 100]


def _by_status(status: tuple[int, ...]) -> Meaning | None:
    prefixes = (status[:length] for length in range(len(status), 0, -1))
    return next((BY_STATUS[prefix] for prefix in prefixes if prefix in BY_STATUS), None)
