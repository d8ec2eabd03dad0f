"""When a delivery is tried again, and what follows from an answer: pure functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus

# The waits after each failed call (Standard Webhooks 1.0.0, as Svix does): ten calls in 76 hours.
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
TRIES_MAX = len(WAITS) + 1
# So that the deliveries of an outage do not all return at the same moment.
JITTER_SHARE = 0.1
# An answer may ask for a longer pause, but not for one that ends after the schedule would.
RETRY_AFTER_MAX = timedelta(hours=24)

# The breaker: after so many failed calls in a row no call is made for a while, then one at a time.
OPEN_AFTER_FAILURES = 5
FIRST_PAUSE = timedelta(seconds=5)
LAST_PAUSE = timedelta(minutes=5)
# The endpoint is disabled if nothing succeeded for so long.
DISABLE_AFTER = timedelta(days=5)
# Calls at a time to one endpoint by each worker. More would be an attack on small servers.
CALLS_PER_ENDPOINT = 16
# Answers that ask for a pause of all calls, and not of this one alone.
BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class CallError(StrEnum):
    """Why a call has no answer."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    NAME_NOT_RESOLVED = "name_not_resolved"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    PROTOCOL = "protocol"
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - the name of an error.
    ENDPOINT_DISABLED = "endpoint_disabled"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one call.

    Attributes:
        status_code: The HTTP status; None if there was no answer.
        error: Why there was none.
        excerpt: The beginning of the body, at most 1 kB.
        retry_after: How long the answer asks to wait.
        duration_ms: How long the call took.
    """

    status_code: int | None = None
    error: CallError | None = None
    excerpt: str = ""
    retry_after: timedelta | None = None
    duration_ms: int = 0

    @property
    def delivered(self) -> bool:
        """Whether the endpoint has taken the event: 2xx only."""
        return (
            self.status_code is not None
            and HTTPStatus.OK <= self.status_code < HTTPStatus.MULTIPLE_CHOICES
        )

    @property
    def gone(self) -> bool:
        """Whether the endpoint wants no more events."""
        return self.status_code == HTTPStatus.GONE

    @property
    def busy(self) -> bool:
        """Whether the endpoint asks for a pause of all calls."""
        return self.status_code in BUSY and self.retry_after is not None


def next_try(answer: Answer, *, tries: int, now: datetime, chance: float) -> datetime | None:
    """Return when a failed delivery is due again; None if it has failed for good.

    Args:
        answer: What came of the latest call.
        tries: The calls of this schedule, with the latest one.
        now: The current time, UTC.
        chance: A random number from 0 to 1, for the jitter.
    """
    if tries >= TRIES_MAX or answer.gone:
        return None
    wait = WAITS[tries - 1] * (1 + JITTER_SHARE * chance)
    if answer.retry_after is not None:
        wait = max(wait, min(answer.retry_after, RETRY_AFTER_MAX))
    return now + wait


@dataclass(frozen=True, kw_only=True)
class Health:
    """The state of an endpoint's breaker.

    Attributes:
        failures: The failed calls since the last success.
        failing_since: When the first of these failed.
        open_until: No call is made before this time.
    """

    failures: int = 0
    failing_since: datetime | None = None
    open_until: datetime | None = None

    @property
    def is_suspect(self) -> bool:
        """Whether one call at a time is made, to see whether the endpoint works again."""
        return self.failures >= OPEN_AFTER_FAILURES

    def is_open(self, now: datetime) -> bool:
        """Return whether no call is made now."""
        return self.open_until is not None and self.open_until > now

    def is_beyond_hope(self, now: datetime) -> bool:
        """Return whether the endpoint is to be disabled."""
        return self.failing_since is not None and now - self.failing_since >= DISABLE_AFTER


def after(answer: Answer, health: Health, *, now: datetime) -> Health:
    """Return the state of an endpoint after one more call."""
    if answer.delivered:
        return Health()
    failures = health.failures + 1
    open_until = health.open_until
    if failures >= OPEN_AFTER_FAILURES and not health.is_open(now):
        doublings = min(failures - OPEN_AFTER_FAILURES, 10)
        open_until = now + min(FIRST_PAUSE * 2**doublings, LAST_PAUSE)
    if answer.busy and answer.retry_after is not None:
        asked = now + min(answer.retry_after, LAST_PAUSE)
        open_until = max(asked, open_until or asked)
    return Health(
        failures=failures,
        failing_since=health.failing_since or now,
        open_until=open_until,
    )
