"""Explain one request to one recipient."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.common.callers import Caller
from apps.common.channels import Channel
from apps.common.rest.problems import Problem
from apps.notifications.delivery import decide, prepare
from apps.notifications.delivery.decide import Decision, Rule
from apps.notifications.explain import wire
from apps.notifications.explain.verdicts import Explanation, Judged, Outcome, Verdict
from apps.notifications.intake.draft import make_draft
from apps.notifications.intake.requests import SendRequest
from apps.notifications.lifecycle.reasons import explained
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.templates import rendering
from apps.users import contacts
from apps.users.contacts import Contact

# What intake judges, in its order, and by the code of its problem which of them refuses.
INTAKE = ("times", "user", "template", "variables")
REFUSED_BY: Mapping[str, str] = {
    "already_expired": "times",
    "expires_before_schedule": "times",
    "unknown_user": "user",
    "unknown_template": "template",
    "type_mismatch": "template",
    "missing_variables": "variables",
    "template_error": "variables",
}
PASSED: Mapping[str, str] = {
    "times": "The times fit.",
    "user": "The user exists.",
    "template": "The template is published, and for this channel.",
    "variables": "All variables that the template needs are given.",
    Rule.EXPIRY: "It would not have expired.",
    Rule.ERASED: "The user's account exists.",
    Rule.PREFERENCES: "The user takes this channel and category.",
    Rule.ADDRESS: "The user has a confirmed address.",
    Rule.SUPPRESSION: "The address is not on the suppression list.",
    Rule.DEVICE: "The user has a device that receives pushes.",
    Rule.QUIET_HOURS: "The user has no quiet hours then.",
    "rendering": "The template can be filled in.",
}
CRITICAL = "The template is critical, which is sent in any case."
URGENT = "The priority is high enough to pass quiet hours."


def explain(
    request: SendRequest, *, caller: Caller, with_content: bool = False, now: datetime | None = None
) -> Explanation:
    """Explain a request.

    Args:
        request: The request.
        caller: Who would send it. A test key's messages go to the sandbox.
        with_content: Whether to return what would be sent.
        now: The current time, UTC.

    Raises:
        Problem: 400 for a request that cannot be judged.
    """
    moment = now or timezone.now()
    user_id = request.user_id
    locales = contacts.known_locales({user_id})
    found = contacts.load_contacts({user_id}, channel=request.notification_type)
    return explain_known(
        request,
        caller=caller,
        locales=locales,
        contact=found.get(user_id),
        now=moment,
        with_content=with_content,
    )


def explain_known(
    request: SendRequest,
    *,
    caller: Caller,
    locales: dict[UUID, str],
    contact: Contact | None,
    now: datetime,
    with_content: bool = False,
) -> Explanation:
    """Explain a request to a user who was loaded before, without a query of its own.

    Raises:
        Problem: 400 for a request that cannot be judged.
    """
    made = Explanation(notification_type=request.notification_type)
    try:
        row = make_draft(request, caller=caller, locales=locales, now=now)
    except Problem as problem:
        if problem.problem_code not in REFUSED_BY:
            raise
        made.rules += _refused(problem)
        return made
    made.rules += [Judged(rule=name, detail=PASSED[name]) for name in INTAKE]
    made.template = {
        "code": row.template_code,
        "version": row.template_version,
        "language": row.language,
    }
    due = row.scheduled_for or now
    if row.scheduled_for is not None:
        made.rules.append(_postponed("schedule", "It is planned for then.", row.scheduled_for))
    facts = rendering.load_versions({row.template_version_id}).get(row.template_version_id)
    if facts is None:
        made.rules.append(_stopped("rendering", prepare.template_error("the version is gone")))
        return made
    made.devices = len(contact.devices) if contact else 0
    made.rules += _of_delivery(row, contact, facts, due)
    if contact is not None:
        _judge_message(made, row, contact, facts, due=due, with_content=with_content)
    return made


def _refused(problem: Problem) -> Iterator[Judged]:
    """Yield the rules of intake up to the one that refuses."""
    by = REFUSED_BY[problem.problem_code]
    for name in INTAKE:
        if name == by:
            yield Judged(
                rule=name,
                verdict=Verdict.STOP,
                detail=str(problem.detail),
                outcome=Outcome.REFUSE,
                reason=problem.problem_code,
            )
            return
        yield Judged(rule=name, detail=PASSED[name])


def _of_delivery(
    row: Notification, contact: Contact | None, facts: rendering.TemplateFacts, due: datetime
) -> Iterator[Judged]:
    for rule, decision in decide.verdicts(row, contact=contact, facts=facts, now=due):
        if decision is None:
            yield Judged(rule=rule, detail=_why_passed(rule, row, facts))
        else:
            yield _stopped(rule, decision)


def _why_passed(rule: Rule, row: Notification, facts: rendering.TemplateFacts) -> str:
    if facts.critical and rule in {Rule.PREFERENCES, Rule.QUIET_HOURS}:
        return CRITICAL
    if rule is Rule.QUIET_HOURS and row.priority >= decide.URGENT_PRIORITY:
        return URGENT
    return PASSED[rule]


def _stopped(rule: str, decision: Decision) -> Judged:
    """Return the verdict of a decision not to send now."""
    if decision.to is Status.SCHEDULED and decision.until is not None:
        return _postponed(rule, "The user has quiet hours until then.", decision.until)
    ended = Outcome.REFUSE if decision.to is Status.FAILED else Outcome.SKIP
    words = explained(decision.reason).sentence
    return Judged(
        rule=rule,
        verdict=Verdict.STOP,
        # A template's own error is for its author, and has no personal data.
        detail=f"{words} {decision.detail}" if ended is Outcome.REFUSE else words,
        outcome=ended,
        reason=decision.reason,
    )


def _postponed(rule: str, detail: str, at: datetime) -> Judged:
    return Judged(
        rule=rule, verdict=Verdict.POSTPONE, detail=detail, outcome=Outcome.POSTPONE, at=at
    )


def _judge_message(
    made: Explanation,
    row: Notification,
    contact: Contact,
    facts: rendering.TemplateFacts,
    *,
    due: datetime,
    with_content: bool,
) -> None:
    """Judge what is composed: whether it can be rendered, its size, and who would take it."""
    if row.channel == Channel.EMAIL and contact.email is None:
        return
    past = prepare.PastRounds()
    envelope = prepare.compose(row, contact=contact, facts=facts, past=past, now=due)
    if isinstance(envelope, Decision):
        # A push to nobody has been judged by its devices.
        if contact.devices or row.channel == Channel.EMAIL:
            made.rules.append(_stopped("rendering", envelope))
        return
    made.rules.append(Judged(rule="rendering", detail=PASSED["rendering"]))
    waits = row.scheduled_for is not None
    made.provider, judged = wire.judge(row, envelope.messages, is_later=waits)
    made.rules += judged
    if with_content and not row.sensitive:
        made.content = _content_of(envelope)


def _content_of(envelope: prepare.Envelope) -> dict[str, Any]:
    """Return what would be sent, without addresses and tokens."""
    first = asdict(envelope.messages[0])
    shown = ("subject", "text", "html", "title", "body", "image", "link", "data", "silent")
    return {name: first[name] for name in shown if name in first}
