"""The conditions that operators are told about, and the only wording of each.

Mails, the desk's Home and events say the same, because all of them take their words from here. This
module is pure: it reads nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from apps.notifications.lifecycle.reasons import explained

Facts = Mapping[str, Any]
Key = tuple[str, str]

# The subject of the notice that stands for many subjects at once.
MANY = "*"
MINUTE_SECONDS = 60
# Below this a time is said in seconds.
SECONDS_SAID_BELOW = 120
LETTERS_WINDOW_MINUTES = 10


class Condition(StrEnum):
    """What operators are told about."""

    BREAKER_OPEN = "breaker_open"
    WEBHOOK_DISABLED = "webhook_disabled"
    DEAD_LETTERS = "dead_letters"
    OVERDUE = "overdue"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A condition that a subject has now.

    Attributes:
        condition: The condition.
        subject: What has it, such as the name of a breaker; empty if it is the installation.
        since: Since when, UTC.
        facts: The values that the words contain, as JSON knows them.
        is_raised: Whether it is bad enough to tell operators. If not, it only keeps a notice open
            that was given before: a condition ends at a better value than that at which it begins.
    """

    condition: Condition
    subject: str = ""
    since: datetime
    facts: Facts = field(default_factory=dict)
    is_raised: bool = True

    @property
    def key(self) -> Key:
        """The condition and its subject."""
        return self.condition.value, self.subject


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What is said about one condition.

    Attributes:
        title: A few words, for the subject of a mail, by subject and facts.
        said: What happened, as sentences, by subject and facts.
        over: What is right again, as a sentence, by subject and facts.
        advice: What to do.
        several: The title for many subjects at once, which follows their number.
        page: The path of the desk's page where it is mended.
        page_word: How the desk calls that page.
        section: The section of ``docs/runbook.md``.
    """

    title: Callable[[str, Facts], str]
    said: Callable[[str, Facts], str]
    over: Callable[[str, Facts], str]
    advice: str
    several: str
    page: str
    page_word: str
    section: str

    @property
    def runbook(self) -> str:
        """The section of the runbook, as a link within the repository."""
        return f"docs/runbook.md#{self.section.lower().replace(' ', '-')}"


def breaker_said(name: str, *, state: str, reason: str) -> str:
    """Say that a breaker is not closed, and why.

    Args:
        name: The breaker, such as ``fcm:ios``.
        state: The word for its state.
        reason: The code of the reason; empty if it is not known.
    """
    return f"The breaker of {name} is {state}. {explained(reason).sentence or 'Calls failed.'}"


def _letters_said(_: str, facts: Facts) -> str:
    said = (
        f"{facts['count']:,} or more messages failed for good within "
        f"{LETTERS_WINDOW_MINUTES} minutes."
    )
    reason = explained(facts.get("reason", "")).sentence
    return f"{said} Most of them: {reason}" if reason else said


def waited(seconds: float) -> str:
    """Say a time: in seconds up to two minutes, then in minutes."""
    if seconds < SECONDS_SAID_BELOW:
        return f"{seconds:.0f} seconds"
    return f"{seconds // MINUTE_SECONDS:,.0f} minutes"


WORDINGS: Mapping[str, Wording] = {
    Condition.BREAKER_OPEN: Wording(
        title=lambda subject, _: f"The breaker of {subject} is open",
        said=lambda subject, facts: breaker_said(
            subject, state="open", reason=facts.get("reason", "")
        ),
        over=lambda subject, _: f"The breaker of {subject} is not open any more.",
        advice=(
            "Look at what the provider says. If it refuses our credentials, set new ones and "
            "restart the workers of the channel. Otherwise wait: a few calls are tried again and "
            "again, and the breaker closes by itself when one succeeds. Until then the next "
            "provider of the channel is used. If there is none, messages wait and are sent later."
        ),
        several="breakers are open",
        page="/admin/providers/",
        page_word="Providers",
        section="NotificationsBreakerOpen",
    ),
    Condition.WEBHOOK_DISABLED: Wording(
        title=lambda _, facts: f"The webhook endpoint {facts.get('name', '')} was disabled",
        said=lambda _, facts: (
            f"The webhook endpoint {facts.get('name', '')} was disabled automatically. "
            f"{facts.get('why', '')}".strip()
        ),
        over=lambda _, facts: (
            f"The webhook endpoint {facts.get('name', '')} is enabled again, or was removed."
        ),
        advice=(
            "Ask the client that owns the endpoint to mend it. Then enable it again; events that "
            "it has missed can be sent once more."
        ),
        several="webhook endpoints were disabled",
        page="/admin/webhooks/?state=disabled",
        page_word="Webhooks",
        section="A webhook endpoint was disabled",
    ),
    Condition.DEAD_LETTERS: Wording(
        title=lambda _, facts: f"{facts['count']:,} messages failed for good",
        said=_letters_said,
        over=lambda _, __: "Few messages, or none, fail for good now.",
        advice=(
            "Look at the dead letters by reason; one reason is most of them. Mend its cause, then "
            "replay the letters of that reason."
        ),
        several="rates of dead letters are high",
        page="/admin/letters/",
        page_word="Dead letters",
        section="Many dead letters at once",
    ),
    Condition.OVERDUE: Wording(
        title=lambda _, __: "Messages are overdue",
        said=lambda _, facts: (
            f"A message that is due has waited for {waited(facts['seconds'])}. The scheduler, the "
            "broker or the workers do not do their work."
        ),
        over=lambda _, __: "No message is overdue any more.",
        advice=(
            "Look at Processes: does every queue have a worker, does the broker answer, do queues "
            "grow? manage.py notify doctor asks each dependency."
        ),
        several="kinds of messages are overdue",
        page="/admin/processes/",
        page_word="Processes",
        section="NotificationsOverdue",
    ),
}


def _many(facts: Facts) -> str:
    names = ", ".join(facts.get("names", ()))
    return f": {names}" if names else ""


def title(condition: str, subject: str, facts: Facts) -> str:
    """Return a few words about a condition, without a full stop."""
    wording = WORDINGS[condition]
    if subject == MANY:
        return f"{facts['count']:,} {wording.several}"
    return wording.title(subject, facts)


def said(condition: str, subject: str, facts: Facts) -> str:
    """Return what happened, as one or more sentences."""
    if subject == MANY:
        return f"{facts['count']:,} {WORDINGS[condition].several}{_many(facts)}."
    return WORDINGS[condition].said(subject, facts)


def over(condition: str, subject: str, facts: Facts) -> str:
    """Return what is right again, as a sentence."""
    if subject == MANY:
        return f"It is over for all of them{_many(facts)}."
    return WORDINGS[condition].over(subject, facts)
