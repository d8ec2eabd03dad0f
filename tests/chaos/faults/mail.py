"""The mail server refuses mails, or does not reply."""

import time

from tests.chaos.copies import unanswered
from tests.chaos.environment import GONE, Environment
from tests.chaos.faults.registry import fault
from tests.fakes.smtp_server import DROP, HANG, Rule

# A refused mail waits at least 2.5, 5, 10 and 20 s, so three tries are within these 15 s and the
# fourth gets a reply; one more in case a try begins late.
REFUSED_TRIES = 4
# UNKNOWN_OUTCOME_RETRIES, and one replay that names the reason.
UNKNOWN_TRIES = 2 + 1
REFUSED_AND_KEPT = unanswered(
    "the worst that a 451 can mean: the server kept what it refused, and it is tried again as "
    "refused mail is",
    at_most=REFUSED_TRIES,
)
UNANSWERED = unanswered(
    "the server took the mail and its answer was lost: the outcome is unknown, so it is sent again "
    "twice at most, and once more where its dead letter is replayed by name",
    at_most=UNKNOWN_TRIES,
)
MAY_HAVE_ARRIVED = frozenset({"failed (unknown_outcome)"})
SLOW_SECONDS = 15.0
# In reverse order, because a conversation that waits at an early stage reaches no later one.
DRIPPED_STAGES = ("data", "rcpt", "mail", "ehlo", "connect")
# Longer than a lease, so that a call without its own time limit would outlive it.
DRIP_SECONDS = 75.0


def _answer(
    environment: Environment, seconds: float, *rules: Rule, takes_refused: bool = False
) -> None:
    environment.smtp.takes_refused = takes_refused
    environment.smtp.rules = list(rules)
    try:
        time.sleep(seconds)
    finally:
        environment.smtp.behave()


@fault(
    says="SMTP answers 451 after the data, and keeps the mail all the same",
    copies=REFUSED_AND_KEPT,
)
def smtp_451(environment: Environment, seconds: float) -> None:
    """Fail with a local error after the whole mail was received."""
    rule = Rule(stage="end", reply="451 4.3.0 Local error in processing")
    _answer(environment, seconds, rule, takes_refused=True)


@fault(says="SMTP answers 454 to every recipient")
def smtp_454(environment: Environment, seconds: float) -> None:
    """Request a lower rate before any mail is transmitted."""
    _answer(
        environment, seconds, Rule(stage="rcpt", reply="454 4.4.5 Too many messages, slow down")
    )


@fault(
    says="SMTP answers 550 to every recipient, to one of them 550 5.1.1",
    seconds=10,
    endings=frozenset({"failed (rejected)", "bounced (hard_bounce)", "skipped (suppressed)"}),
)
def smtp_550(environment: Environment, seconds: float) -> None:
    """Refuse permanently: dead letters, and a bounce for the nonexistent mailbox."""
    users = environment.recipients.users["email"]
    users.append(environment.gone_user)
    try:
        _answer(
            environment,
            seconds,
            Rule(stage="rcpt", reply="550 5.1.1 No such mailbox", recipient=GONE),
            Rule(stage="rcpt", reply="550 Not today"),
        )
    finally:
        users.remove(environment.gone_user)


@fault(
    says="SMTP closes after the data without a reply",
    endings=MAY_HAVE_ARRIVED,
    copies=UNANSWERED,
)
def smtp_closes_after_data(environment: Environment, seconds: float) -> None:
    """Accept the mail and send no reply."""
    _answer(environment, seconds, Rule(stage="end", reply=DROP))


@fault(
    says="SMTP hangs: first before the mail, then after the data",
    seconds=24,
    endings=MAY_HAVE_ARRIVED,
    copies=UNANSWERED,
)
def smtp_hangs(environment: Environment, seconds: float) -> None:
    """Never reply; the connection stays open."""
    _answer(environment, seconds / 2, Rule(stage="mail", reply=HANG))
    _answer(environment, seconds / 2, Rule(stage="end", reply=HANG))


@fault(says="SMTP answers the final dot after 15 s, as a server that scans the content", seconds=20)
def smtp_slow_after_dot(environment: Environment, seconds: float) -> None:
    """Accept every mail, late."""
    environment.smtp.latency = SLOW_SECONDS
    try:
        time.sleep(seconds)
    finally:
        environment.smtp.behave()


@fault(
    says="SMTP says continuation lines without end, at each stage before the mail; then for 15 s "
    "after it",
    seconds=DRIP_SECONDS + 20,
)
def smtp_drips(environment: Environment, seconds: float) -> None:
    """Never end a reply, for longer than a lease; then end it late, with an acceptance.

    No mail is transmitted during the endless drip, and no mail accepted late is sent again.
    """
    drip = seconds * DRIP_SECONDS / (DRIP_SECONDS + 20)
    try:
        for stage in DRIPPED_STAGES:
            environment.smtp.dripping |= {stage}
            time.sleep(drip / len(DRIPPED_STAGES))
        environment.smtp.dripping = frozenset()
        environment.smtp.drips_after_data = SLOW_SECONDS
        time.sleep(seconds - drip)
    finally:
        environment.smtp.behave()
