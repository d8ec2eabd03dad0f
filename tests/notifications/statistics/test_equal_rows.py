"""After any order of calls, deliveries, receipts and roll-ups the statistics equal the rows."""

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.common.callers import Caller, Scope
from apps.common.ids import new_id
from apps.common.rest.problems import Problem
from apps.notifications.dead_letters import resend
from apps.notifications.delivery.clock import DatabaseClock
from apps.notifications.feedback.event_batches import Named, take_all
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent
from apps.notifications.feedback.receipts import take
from apps.notifications.intake.accept import Membership, accept_all
from apps.notifications.intake.cancel import cancel
from apps.notifications.lifecycle.states import UNFINISHED
from apps.notifications.models import Notification
from apps.notifications.scheduler import sweep
from apps.notifications.statistics.roll_up import roll_up
from apps.users.models import User
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.factories import SHOP, a_request, accepted, make_overdue, person, template
from tests.notifications.statistics.stored import (
    counted,
    counted_attempts,
    expected,
    expected_attempts,
)

# The sweep takes no row without the lanes.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lanes")]

OTHER = Caller(client="other", scopes=frozenset(Scope))
STEPS = 60


class Calls:
    """Random calls as clients, providers, workers and the scheduler make them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        # The sandbox plays faults for "flaky" and "bounce".
        self.users = [person(name, tokens=(f"{name}-token",)) for name in ("a", "flaky", "bounce")]

    def user(self) -> User:
        return self.chance.choice(self.users)

    def rows(self) -> list[Notification]:
        rows = list(Notification.objects.order_by("pk"))
        return self.chance.sample(rows, min(len(rows), self.chance.randint(1, 4)))

    def accept(self) -> None:
        channel = self.chance.choice(["email", "push"])
        key = self.chance.choice([None, None, "a", "b"])
        caller = self.chance.choice([SHOP, OTHER])
        later = timezone.now() + timedelta(hours=1)
        when = self.chance.choice([None, None, later])
        try:
            accepted(
                self.user(),
                caller=caller,
                notification_type=channel,
                request_id=key,
                scheduled_for=when,
            )
        except Problem:
            # The key was used with another body.
            return

    def deliver(self) -> None:
        for row in self.rows():
            if row.status in UNFINISHED and row.scheduled_for is None:
                Notification.objects.filter(pk=row.pk).update(next_attempt_at=None)
                deliver_and_refresh(row)

    def cancel(self) -> None:
        for row in self.rows():
            try:
                cancel(row)
            except Problem:
                continue

    def receive(self) -> None:
        for row in self.rows():
            event = self.chance.choice(list(ReceiptEvent))
            received = ProviderEvent(provider="smtp", event=event, occurred_at=timezone.now())
            try:
                take(row, received)
            except Problem:
                continue

    def receive_many(self) -> None:
        kinds = list(ReceiptEvent)
        take_all(
            [
                Named(
                    notification_id=row.pk,
                    event=ProviderEvent(
                        provider="sendgrid",
                        event=self.chance.choice(kinds),
                        occurred_at=timezone.now() - timedelta(seconds=self.chance.randint(0, 9)),
                        event_id=str(new_id()),
                    ),
                )
                for row in [*self.rows(), *self.rows()]
            ]
        )

    def expire(self) -> None:
        rows = [row for row in self.rows() if row.status in UNFINISHED]
        make_overdue(*rows, expires_at=timezone.now() - timedelta(seconds=2))
        sweep.sweep()

    def crash(self) -> None:
        """End the leases of some rows, as if their worker had died while it held them."""
        rows = [row for row in self.rows() if row.status in UNFINISHED]
        make_overdue(*rows, crashes=4, status="sending")
        sweep.sweep()

    def replay(self) -> None:
        for row in self.rows():
            try:
                resend.replay(row, caller=SHOP, may_have_arrived=True)
            except Problem:
                continue

    def accept_batch(self) -> None:
        """Accept rows of a batch that was requested earlier, some with keys of earlier rows."""
        requests = [
            a_request(self.user(), request_id=self.chance.choice([None, "a", "b", "c"]))
            for _ in range(3)
        ]
        earlier = timezone.now() - timedelta(minutes=5)
        accept_all(requests, caller=SHOP, member=Membership(batch_id=new_id(), asked_at=earlier))

    def roll_up(self) -> None:
        roll_up()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the clocks begin three hours ago; the returned function moves them, in seconds."""
    behind, now = [3 * 3600.0], timezone.now
    database_now = DatabaseClock.now
    monkeypatch.setattr(timezone, "now", lambda: now() - timedelta(seconds=behind[0]))
    monkeypatch.setattr(
        DatabaseClock, "now", lambda clock: database_now(clock) - timedelta(seconds=behind[0])
    )

    def move(seconds: float) -> None:
        behind[0] -= seconds

    return move


@pytest.mark.parametrize("seed", range(6))
def test_after_any_order_of_calls_the_counts_equal_the_rows(
    seed: int, later: Callable[[float], None]
) -> None:
    template("welcome")
    template("parcel", "push")
    calls = Calls(random.Random(seed))
    often: list[Callable[[], None]] = [calls.accept, calls.accept, calls.deliver, calls.receive]
    rare = [
        calls.receive_many,
        calls.cancel,
        calls.expire,
        calls.crash,
        calls.replay,
        calls.accept_batch,
    ]
    for _ in range(STEPS):
        later(calls.chance.uniform(0, 40))
        calls.chance.choice([*often, *often, *rare, calls.roll_up])()

    assert Notification.objects.exclude(status__in=UNFINISHED).count() > 5
    assert counted() == expected()
    assert counted_attempts() == expected_attempts()
    roll_up()
    assert counted() == expected()
