"""Run one fault, from the baseline before it to the last replay, and evaluate the result."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos import statistics, webhooks
from tests.chaos.environment import Environment
from tests.chaos.faults import Fault
from tests.chaos.ledger import Account, Row, account, percentile, windows
from tests.chaos.load import Load
from tests.journeys.http import until

BASELINE_SECONDS = 5.0
# Fifteen mails, five push messages and forty events to a webhook: two cores can handle it together
# with everything else that runs here, and have the same capacity again for catching up.
RATE_PER_SECOND = 20.0
# The load continues for this long after a fault, or until everything from before its end is final.
LOADED_SECONDS = 30.0
# Long enough for a lease of 60 s, the sweep's first check after 60 s, and FCM's minute after a 429.
DRAIN_SECONDS = 180.0
LAST_ANSWERS_SECONDS = 30.0
REPLAY_SECONDS = 60.0
REPLAY_RATE = 500
# A replay of all letters skips this reason, because those messages may have arrived.
UNKNOWN_OUTCOME = "unknown_outcome"
SHOWN_REFUSALS = 3
# Until all events have arrived, with one call of 15 s that hangs at the end of a fault.
TOLD_SECONDS = 90.0
DUE_EVERY_SECONDS = 2.0
DELIVERED = "delivered"
POLL_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Duration and rate of a run.

    Attributes:
        baseline: Seconds before the fault.
        rate: Requests per second, during the whole run.
        seconds: Duration of the fault in seconds; None for its default.
    """

    baseline: float = BASELINE_SECONDS
    rate: float = RATE_PER_SECOND
    seconds: float | None = None


@dataclass(kw_only=True)
class Result:
    """The result of one fault.

    Attributes:
        p99_before: Seconds until the 202, measured from when the request was due.
        p99_during: The same during the fault.
        drain: Seconds from the end of the fault until everything accepted before was final; None
            if that did not happen in time.
        errors: Number of calls without an answer, or with an answer other than an acceptance.
        never_accepted: Requests that never got a 202; nothing was promised for them.
        told: How many calls told the webhook of the acceptance or the ending of a notification.
        window: Seconds from the provider's acceptance to our record, for each delivery.
    """

    fault: Fault
    account: Account
    p99_before: float
    p99_during: float
    drain: float | None
    errors: int
    never_accepted: int
    window: list[float]
    told: int = 0
    complaints: list[str] = field(default_factory=list)


def run(environment: Environment, fault: Fault, pace: Pace) -> Result:
    """Keep a load, inject the fault, wait, replay and account for everything.

    Raises:
        NotPossibleError: The fault cannot be injected on this machine.
    """
    environment.begin()
    try:
        with fault.prepare(environment):
            try:
                return _run(environment, fault, pace)
            finally:
                environment.afterwards.close()
    finally:
        environment.begin()


def _run(environment: Environment, fault: Fault, pace: Pace) -> Result:
    environment.settle()
    since = time.time()
    first_copy = len(environment.smtp.copies), len(environment.fcm.copies)
    load = Load(
        base=lambda: environment.stack.base,
        key=environment.api.key,
        name=fault.name,
        rate=pace.rate,
        recipients=environment.recipients,
    )
    complaints: list[str] = []
    with load:
        began = time.time()
        time.sleep(fault.baseline or pace.baseline)
        injected = time.time()
        fault.inject(environment, fault.seconds if pace.seconds is None else pace.seconds)
        healed = time.time()
        drain = _drained(environment, healed, since=since, within=LOADED_SECONDS)
        load.end(within=LAST_ANSWERS_SECONDS)
    ended = time.time()
    drain = drain or _drained(environment, healed, since=since)
    if drain is None or _drained(environment, ended, since=since) is None:
        complaints.append(f"not drained within {DRAIN_SECONDS:.0f} s")
    complaints += _replay(environment, since=since)
    if fault.counted and not environment.commit:
        wrong = statistics.differences(environment.database.url)
        complaints += [f"the statistics differ from the rows: {words}" for words in wrong]
    complaints += _told(environment, fault, since=since)
    rows = environment.database.rows(since=since)
    complaints += _reported(environment, rows)
    copies = environment.smtp.copies[first_copy[0] :] + environment.fcm.copies[first_copy[1] :]
    accepted = load.accepted()
    made = account(
        {**accepted, **environment.extra_requests},
        rows=rows,
        copies=copies,
        endings=fault.endings,
        bound=fault.copies,
        harms=environment.harms,
    )
    complaints += _errors(fault, load)
    before = percentile(load.latencies(since=began, until=injected), 0.99)
    during = percentile(load.latencies(since=injected, until=healed), 0.99)
    if fault.slowdown is not None and during > fault.slowdown * before:
        complaints.append(f"callers waited {during / before:.1f} times as long, by their p99")
    return Result(
        fault=fault,
        account=made,
        p99_before=before,
        p99_during=during,
        drain=drain,
        errors=load.errors,
        never_accepted=len(load.requests) - len(accepted),
        window=windows(rows, copies),
        told=sum(environment.webhook.told[each] for each in webhooks.expected(rows)),
        complaints=[*complaints, *made.complaints],
    )


def _drained(
    environment: Environment, moment: float, *, since: float, within: float = DRAIN_SECONDS
) -> float | None:
    """Wait until everything accepted before ``moment`` is final; return the seconds since then."""
    while time.time() < moment + within:
        if not environment.database.unfinished(since=since, before=moment):
            return time.time() - moment
        time.sleep(POLL_SECONDS)
    return None


def _errors(fault: Fault, load: Load) -> list[str]:
    """Return the errors that callers got and that this fault may not cause."""
    if fault.errors is None:
        return []
    met = {kind: count for kind, count in load.kinds.items() if kind not in fault.errors}
    shown = "; ".join(load.refusals[:SHOWN_REFUSALS])
    return [f"callers met {count} times: {kind} ({shown})" for kind, count in met.items()]


def _told(environment: Environment, fault: Fault, *, since: float) -> list[str]:
    """Wait until the webhook was told of everything, and return what is missing."""
    if not environment.webhook_id:
        return []
    url, told = environment.database.url, environment.webhook.told
    end = time.monotonic() + TOLD_SECONDS
    while left := webhooks.left(url):
        if time.monotonic() > end:
            return [f"webhooks: {count} events are {state}" for state, count in left.items()]
        webhooks.make_due(url)
        time.sleep(DUE_EVERY_SECONDS)
    found = webhooks.missing(webhooks.stored(url, since=since), told, what="that the rows say")
    if fault.told:
        rows = environment.database.rows(since=since)
        found += webhooks.missing(webhooks.expected(rows), told, what="that must be told")
    if environment.webhook.forged:
        found.append(f"{environment.webhook.forged} events had a wrong signature")
    return found


def _reported(environment: Environment, rows: Iterable[Row]) -> list[str]:
    """Return the mails that a provider has reported as delivered, and that are not."""
    wrong = [
        f"{row.id} is {row.status}"
        for row in rows
        if row.id in environment.reported and row.status != DELIVERED
    ]
    return [f"{len(wrong)} reported mails: {', '.join(wrong[:SHOWN_REFUSALS])}"] if wrong else []


def _replay(environment: Environment, *, since: float) -> list[str]:
    """Replay every open dead letter through the API, wait, and return the problems."""
    for criteria in ({}, {"reason": UNKNOWN_OUTCOME}):
        if not environment.database.open_letters():
            return []
        _replay_those(environment, criteria)
        if _drained(environment, time.time(), since=since) is None:
            return ["the replays did not end in time"]
    left = environment.database.open_letters()
    return [f"{left} dead letters are open after the replay"] if left else []


def _replay_those(environment: Environment, criteria: dict[str, str]) -> None:
    started = environment.api.made(
        "/api/v1/dead-letters/replay",
        {"rate_per_second": REPLAY_RATE, "note": "The fault is gone.", **criteria},
    )

    def finished() -> bool:
        answer = environment.api.call("GET", f"/api/v1/dead-letters/replays/{started['id']}")
        return answer.status == 200 and answer.body["state"] == "finished"

    until(finished, within=REPLAY_SECONDS, what="the replay to finish")
