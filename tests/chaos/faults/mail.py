"""The mail server refuses, or says nothing."""

import time

from tests.chaos.faults.registry import fault
from tests.chaos.scene import GONE, Scene
from tests.fakes.smtp_server import DROP, HANG, Rule

UNANSWERED = "the server took the mail and its answer was lost: the outcome is unknown"


def _answer(scene: Scene, seconds: float, *rules: Rule, takes_refused: bool = False) -> None:
    scene.smtp.takes_refused = takes_refused
    scene.smtp.rules = list(rules)
    try:
        time.sleep(seconds)
    finally:
        scene.smtp.behave()


@fault(
    says="SMTP answers 451 after the data, and keeps the mail all the same",
    doubles="the worst that a 451 can mean: the server kept what it refused",
)
def smtp_451(scene: Scene, seconds: float) -> None:
    """Fail locally after the whole mail has come."""
    rule = Rule(stage="end", reply="451 4.3.0 Local error in processing")
    _answer(scene, seconds, rule, takes_refused=True)


@fault(says="SMTP answers 454 to every recipient")
def smtp_454(scene: Scene, seconds: float) -> None:
    """Ask for less, before any mail is handed over."""
    _answer(scene, seconds, Rule(stage="rcpt", reply="454 4.4.5 Too many messages, slow down"))


@fault(says="SMTP answers 550 to every recipient, to one of them 550 5.1.1", seconds=10)
def smtp_550(scene: Scene, seconds: float) -> None:
    """Refuse for good: dead letters, and for the mailbox that is gone a bounce."""
    users = scene.recipients.users["email"]
    users.append(scene.gone_user)
    try:
        _answer(
            scene,
            seconds,
            Rule(stage="rcpt", reply="550 5.1.1 No such mailbox", recipient=GONE),
            Rule(stage="rcpt", reply="550 Not today"),
        )
    finally:
        users.remove(scene.gone_user)


@fault(says="SMTP closes after the data without a reply", doubles=UNANSWERED)
def smtp_closes_after_data(scene: Scene, seconds: float) -> None:
    """Take the mail and say nothing."""
    _answer(scene, seconds, Rule(stage="end", reply=DROP))


@fault(
    says="SMTP hangs: first before the mail, then after the data", doubles=UNANSWERED, seconds=24
)
def smtp_hangs(scene: Scene, seconds: float) -> None:
    """Never answer; the connection stays open."""
    _answer(scene, seconds / 2, Rule(stage="mail", reply=HANG))
    _answer(scene, seconds / 2, Rule(stage="end", reply=HANG))
