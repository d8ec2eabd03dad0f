"""What a dead letter is, in words: what failed, what was said last, and who did what."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.desk.actors import names_of
from apps.desk.messages import story
from apps.notifications.dead_letters import history
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.reasons import explained
from apps.notifications.models import ActionName, Attempt, DeadLetter, Notification

ACTIONS = {
    ActionName.REPLAYED: "replayed it",
    ActionName.REFUSED: "tried to replay it, which was refused",
    ActionName.DISCARDED: "discarded it",
    ActionName.RESOLVED: "closed it, because it was sent after all",
}
POISON = (
    "A message of the queue could not be processed. What it was about is still found by itself."
)


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One line of who did what."""

    at: datetime
    who: str
    what: str
    note: str


def ending(letter: DeadLetter, *, name: str) -> str:
    """Return what failed, in one sentence.

    Args:
        letter: The dead letter.
        name: How the recipient is called; empty if they are not known or may not be seen.
    """
    if letter.notification is None:
        return f"{POISON} {explained(letter.reason).sentence}"
    return story.ending(letter.notification, name=name, provider=letter.provider)


def last_reply(row: Notification) -> Attempt | None:
    """Return the last call that was not accepted; None if no call was made."""
    calls = Attempt.objects.filter(notification=row)
    return calls.exclude(outcome=Outcome.ACCEPTED).order_by("-pk").first()


def deeds(letter: DeadLetter) -> Sequence[Deed]:
    """Return who did what with the letter, oldest first."""
    lines = history.actions_on(letter)
    names = names_of(line.by for line in lines)
    return [
        Deed(
            at=line.at,
            who=names[line.by],
            what=ACTIONS.get(ActionName(line.action), line.action.replace("_", " ")),
            note=line.note,
        )
        for line in lines
    ]


def queue_words(letter: DeadLetter) -> Iterator[str]:
    """Yield what the broker noted about a message of the queue, as sentences."""
    for death in letter.x_death:
        if not isinstance(death, dict):
            continue
        queue, count = death.get("queue", "unknown"), death.get("count", 1)
        why = explained(str(death.get("reason", ""))).sentence
        times = "once" if count == 1 else f"{count} times"
        yield f"It left the queue {queue} {times}. {why}".strip()


def stored_text(letter: DeadLetter) -> str:
    """Return a message of the queue as text: its headers, and its body as it was read."""
    headers = letter.message.get("headers") or {}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\n".join([*lines, "", _pretty(str(letter.message.get("body", "")))]).strip()


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
