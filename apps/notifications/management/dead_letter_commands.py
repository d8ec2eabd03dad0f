"""The subcommands of ``notify dead-letters``, with the functions of the API."""

import json
import time
from argparse import Namespace
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, OutputWrapper
from django.core.serializers.json import DjangoJSONEncoder

from apps.notifications.api.dead_letter_replays import progress_of
from apps.notifications.api.dead_letters import detail_of
from apps.notifications.dead_letters import replay_many, replay_one
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.management.arguments import OPERATOR
from apps.notifications.models import DeadLetter, DeadLetterReplay, LetterState, ReplayState

WATCH_SECONDS = 0.25
PRINT_SECONDS = 1.0


def print_list(arguments: Namespace, out: OutputWrapper) -> None:
    """Print a line for each letter, and the count of all that match."""
    letters = _filter_of(arguments).narrow(DeadLetter.objects.order_by("-pk"))
    if arguments.state != "all":
        letters = letters.filter(state=arguments.state)
    for letter in letters[: max(0, arguments.limit)]:
        what = letter.notification_id or f"poison {letter.message_id}"
        out.write(
            f"{letter.pk}  {letter.recorded_at:%Y-%m-%d %H:%M:%S}  {letter.state:<9}  "
            f"{letter.reason:<20}  {letter.channel:<5}  {letter.provider:<8}  "
            f"{letter.template_code}  {what}"
        )
    out.write(f"{letters.count()} match")


def show(arguments: Namespace, out: OutputWrapper) -> None:
    """Print one letter in the format of the API."""
    _print(detail_of(_find(arguments.letter)), out)


def replay(arguments: Namespace, out: OutputWrapper) -> None:
    """Replay one letter, or start a bulk replay and wait until it ends."""
    asked = _filter_of(arguments)
    if arguments.letter is not None:
        if arguments.all or asked != Filter():
            raise CommandError("Give an id or a filter, not both.")
        _replay_one(arguments, out)
        return
    if not arguments.all and asked == Filter():
        raise CommandError("Give an id, a filter, or --all.")
    rate = replay_many.RATE_DEFAULT_PER_SECOND if arguments.rate is None else arguments.rate
    if not 1 <= rate <= replay_many.RATE_MAX_PER_SECOND:
        message = f"--rate is from 1 to {replay_many.RATE_MAX_PER_SECOND} a second."
        raise CommandError(message)
    out.write(f"{replay_many.count(asked, kind='')} match")
    if arguments.dry_run:
        return
    replay = replay_many.start(
        asked, kind="", by=OPERATOR, rate_per_second=rate, note=arguments.note[:500]
    )
    out.write(f"replay {replay.pk} at {replay.rate_per_second} a second")
    if not arguments.no_wait:
        _follow(replay, out)


def discard(arguments: Namespace, out: OutputWrapper) -> None:
    """Discard one letter with a reason."""
    reason = arguments.reason.strip()[:500]
    if not reason:
        raise CommandError("A reason is needed to discard.")
    letter = replay_one.discard(_find(arguments.letter).pk, by=OPERATOR, reason=reason)
    out.write(f"{letter.pk} {letter.state}")


def _replay_one(arguments: Namespace, out: OutputWrapper) -> None:
    letter = _find(arguments.letter)
    if arguments.dry_run:
        out.write(f"{1 if letter.state == LetterState.OPEN else 0} match")
        return
    done = replay_one.replay(
        letter.pk,
        by=OPERATOR,
        note=arguments.note[:500],
        may_have_arrived=arguments.may_have_arrived,
    )
    if done.replayed_as:
        out.write(str(done.replayed_as))
    for pk in done.woken:
        out.write(f"woken {pk}")


def _follow(replay: DeadLetterReplay, out: OutputWrapper) -> None:
    """Print the progress, and run slices here too, because the scheduler may not be running."""
    printed_at = 0.0
    while True:
        replay.refresh_from_db()
        ended = replay.state != ReplayState.RUNNING
        if ended or time.monotonic() - printed_at >= PRINT_SECONDS:
            printed_at = time.monotonic()
            progress = progress_of(replay)
            out.write(
                f"{replay.state}: {replay.replayed} replayed, {replay.refused} refused, "
                f"{progress['remaining']} remaining"
            )
        if ended:
            break
        if not replay_many.replay_slice():
            time.sleep(WATCH_SECONDS)
    for refusal in progress_of(replay)["refusals"]:
        out.write(f"  {refusal['count']} refused: {refusal['detail']}")


def _print(document: Any, out: OutputWrapper) -> None:
    shown = json.dumps(document, indent=2, ensure_ascii=False, cls=DjangoJSONEncoder)
    out.write(shown)


def _filter_of(arguments: Namespace) -> Filter:
    return Filter(
        reason=arguments.reason,
        channel=arguments.channel,
        provider=arguments.provider,
        template_code=arguments.template,
        since=arguments.since,
        until=arguments.until,
    )


def _find(letter_id: UUID) -> DeadLetter:
    letter = DeadLetter.objects.select_related("notification").filter(pk=letter_id).first()
    if letter is None:
        raise CommandError("There is no such dead letter.")
    return letter
