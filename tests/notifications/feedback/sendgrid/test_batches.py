"""Many events cost few statements, and are taken once however often and however fast they come."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.notifications.intake import accept
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification, Receipt
from apps.notifications.statistics.counters import minute_of
from apps.users.addresses import address_hash
from apps.users.models import Suppression, User
from tests.fakes.sendgrid_events import EventSigner, event
from tests.notifications.concurrent_work import ConcurrentWork, wait_until_blocked
from tests.notifications.factories import SHOP, a_request, person, template
from tests.notifications.statistics.stored import counted, expected

# One of each kind that changes something, so that every statement is needed.
KINDS: Sequence[tuple[str, dict[str, Any]]] = (
    ("delivered", {}),
    ("bounce", {"type": "bounce"}),
    ("bounce", {"type": "blocked"}),
    ("dropped", {"reason": "Invalid"}),
    ("dropped", {"reason": "Spam Reporting Address"}),
    ("spamreport", {}),
    ("unsubscribe", {}),
    ("group_unsubscribe", {}),
    ("group_resubscribe", {}),
    ("processed", {}),
)


def sent_mails(count: int) -> list[Notification]:
    rows = []
    for place in range(count):
        user = person(f"user{place}")
        rows.append(accept.accept(a_request(user), caller=SHOP).notification)
    Notification.objects.update(status=Status.SENT, attempts=1)
    Attempt.objects.bulk_create(
        Attempt(
            notification=row,
            number=1,
            provider="sendgrid",
            address_hash=address_hash(f"user{place}@example.com"),
            outcome="accepted",
            correlation_id="",
            started_at=timezone.now(),
            duration_ms=1,
        )
        for place, row in enumerate(rows)
    )
    return rows


def events_for(rows: Sequence[Notification]) -> list[dict[str, Any]]:
    return [
        event(row.pk, kind, email=f"user{place}@example.com", **fields)
        for place, row in enumerate(rows)
        for kind, fields in [KINDS[place % len(KINDS)]]
    ]


def statements(signer: EventSigner, events: Sequence[dict[str, Any]]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert signer.deliver(*events).status_code == 204
    return len(captured)


def test_a_hundred_events_cost_as_many_statements_as_ten(
    sendgrid_events: EventSigner, welcome: None, settings: Any
) -> None:
    events = events_for(sent_mails(120))
    # The first one reads the template.
    sendgrid_events.deliver(*events[:10])

    few = statements(sendgrid_events, events[10:20])
    many = statements(sendgrid_events, events[20:])

    # SQLite takes 999 values in one statement, so Django writes a second insert of receipts.
    assert many - few == (0 if connection.vendor == "postgresql" else 1)
    # 1 which are known, 2 notifications, 3 calls, 4 addresses for staff, 5 insert suppressions.
    # Preferences: 6 savepoint, 7 lock users, 8 turn mail off, 9 insert categories, 10 release.
    # Record: 11 savepoint, 12 lock, 13 which are known, 14 to 23 two for each of five endings,
    # 24 insert receipts, 25 insert counts, 26 release, 27 count soft bounces.
    # Without a broker: six for the dead letters.
    assert few == 27 + (6 if settings.EMBEDDED else 0)
    assert Receipt.objects.filter(notification__isnull=False).count() == 120


def test_a_thousand_events_cost_ten_times_as_much_as_a_hundred(
    sendgrid_events: EventSigner, welcome: None
) -> None:
    rows = sent_mails(100)

    def opened() -> list[dict[str, Any]]:
        return [event(row.pk, "open") for row in rows]

    hundred = statements(sendgrid_events, opened())
    thousand = statements(sendgrid_events, [each for _ in range(10) for each in opened()])

    assert thousand == 10 * hundred
    assert Receipt.objects.count() == 1_100


def test_a_repeated_delivery_costs_one_statement_for_a_hundred_events(
    sendgrid_events: EventSigner, welcome: None
) -> None:
    events = events_for(sent_mails(20))
    sendgrid_events.deliver(*events)

    assert statements(sendgrid_events, events) == 1
    assert Receipt.objects.count() == 20


def test_an_event_that_is_twice_in_a_delivery_is_taken_once(
    sendgrid_events: EventSigner, alice: User
) -> None:
    (row,) = sent_mails(1)
    one = event(row.pk, "delivered")

    sendgrid_events.deliver(one, one, dict(one))

    assert Receipt.objects.count() == 1


def test_the_statistics_count_one_ending_for_each_notification(
    sendgrid_events: EventSigner, welcome: None
) -> None:
    rows = sent_mails(30)
    # They became ``sent`` without being counted.
    Notification.objects.update(status=Status.SENDING)

    sendgrid_events.deliver(*[event(row.pk, "processed") for row in rows], *events_for(rows))
    assert counted() == expected()

    sendgrid_events.deliver(*[event(row.pk, "delivered") for row in rows])
    assert counted() == expected()


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_with_a_worker_is_survived(settings: Any) -> None:
    signer = EventSigner()
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [signer.public_key]
    template("welcome")
    (row,) = sent_mails(1)
    failures = iter([OperationalError("deadlock detected")])

    def once(execute: Any, sql: str, *given: Any) -> Any:
        if 'INTO "notifications_receipt"' in sql:
            for failure in failures:
                raise failure
        return execute(sql, *given)

    with connection.execute_wrapper(once):
        assert signer.deliver(event(row.pk, "delivered")).status_code == 204

    row.refresh_from_db()
    assert (row.status, row.receipts.count()) == ("delivered", 1)
    assert counted()[minute_of(row.updated_at), "shop", "ended/delivered/"] == 1


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_concurrent_deliveries_of_the_same_events_double_nothing(
    settings: Any,
) -> None:
    signer = EventSigner()
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [signer.public_key]
    template("welcome")
    rows = sent_mails(20)
    Notification.objects.update(status=Status.SENDING)
    events = [*events_for(rows), event("0198f0c3-1100-7000-8000-000000000001", "delivered")]

    with transaction.atomic():
        list(Notification.objects.select_for_update())
        both = [ConcurrentWork(lambda: signer.deliver(*events)) for _ in range(3)]
        wait_until_blocked(3)
    assert [one.result().status_code for one in both] == [204, 204, 204]

    assert Receipt.objects.count() == 21
    assert counted() == expected()
    # One hard bounce, one drop and one complaint for each ten mails.
    assert Suppression.objects.count() == 6
