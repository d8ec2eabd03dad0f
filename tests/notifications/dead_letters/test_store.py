"""Every message of the dead-letter exchange is recorded once, whatever it contains."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.utils import timezone
from kombu import Connection, Message

from apps.notifications.broker import topology
from apps.notifications.dead_letters import store
from apps.notifications.dead_letters.consumer import BODY_SHOWN_CHARACTERS, Recorder, record
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, Notification
from apps.users.models import User
from tests.notifications.factories import row_with_status
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db

DEATHS = [
    {
        "count": 1,
        "exchange": "notifications",
        "queue": "email.bulk",
        "reason": "rejected",
        "routing-keys": ["email.bulk"],
        "time": datetime(2026, 11, 22, 12, tzinfo=UTC),
    }
]
DEAD = {
    "x-death": DEATHS,
    "x-first-death-queue": "email.bulk",
    "x-first-death-reason": "rejected",
    "x-first-death-exchange": "notifications",
}


def message(
    body: Any = b"{}",
    headers: dict[str, Any] | None = None,
    content_type: str = "application/json",
    **properties: Any,
) -> Message:
    return Message(
        body=body,
        headers=headers or {},
        content_type=content_type,
        content_encoding="utf-8",
        properties=properties,
    )


def only() -> DeadLetter:
    return DeadLetter.objects.get()


def test_a_failed_notification_is_recorded_once_and_no_longer_due(alice: User) -> None:
    row = row_with_status(alice, Status.FAILED, reason="rejected", wake_at=timezone.now())
    for _ in range(3):
        record(message(headers={"notification_id": str(row.pk)}))
    letter = only()
    assert (letter.notification_id, letter.reason, letter.channel) == (row.pk, "rejected", "email")
    row.refresh_from_db()
    assert (row.status, row.wake_at) == (Status.FAILED, None)


def test_a_row_that_a_receipt_moved_to_delivered_has_no_dead_letter(alice: User) -> None:
    row = row_with_status(alice, Status.DELIVERED)
    record(message(headers={"notification_id": str(row.pk)}))
    assert DeadLetter.objects.count() == 0


def test_an_unknown_notification_is_no_error(db: None) -> None:
    record(message(headers={"notification_id": str(uuid4())}))
    assert DeadLetter.objects.count() == 0


def test_many_failures_are_recorded_together(alice: User) -> None:
    rows = [row_with_status(alice, Status.FAILED, reason="rejected") for _ in range(5)]
    store.record_failed([row.pk for row in rows])
    assert DeadLetter.objects.count() == 5


POISON: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("undecodable", b"\xff\xfe\x00not json", {}, "application/json"),
    ("unknown task", b"[[], {}, {}]", {"task": "nowhere.task", "id": "m-1"}, "application/json"),
    (
        "wrong arguments",
        b'[["x"], {}, {}]',
        {"task": "notifications.deliver_email", "id": "m-1"},
        "application/json",
    ),
    ("foreign json", b'{"hello": "world"}', {}, "application/json"),
    ("pickle", b"\x80\x04K\x01.", {}, "application/x-python-serialize"),
    ("nothing", b"", {}, ""),
]


@pytest.mark.parametrize(("what", "body", "headers", "content_type"), POISON)
def test_poison_is_recorded_with_the_x_death_of_the_broker(
    what: str, body: bytes, headers: dict[str, Any], content_type: str
) -> None:
    record(message(body, {**headers, **DEAD}, content_type))
    letter = only()
    assert letter.notification_id is None
    assert (letter.reason, letter.channel) == ("rejected", "email")
    (death,) = letter.x_death
    assert (death["queue"], death["reason"], death["count"]) == ("email.bulk", "rejected", 1)
    assert death["time"].startswith("2026-11-22 12:00:00")
    assert letter.message["content_type"] == content_type
    assert "\x00" not in letter.message["body"]
    assert "x-death" not in letter.message["headers"]
    assert letter.message_id


def test_repeated_poison_is_recognised_by_its_message_id(db: None) -> None:
    for _ in range(2):
        record(message(headers={"id": "m-1", **DEAD}))
        record(message(headers=dict(DEAD), message_id="m-2"))
    assert set(DeadLetter.objects.values_list("message_id", flat=True)) == {"m-1", "m-2"}


def test_poison_without_any_id_is_recorded_each_time(db: None) -> None:
    for _ in range(2):
        record(message(headers=dict(DEAD)))
    assert DeadLetter.objects.count() == 2


@pytest.mark.parametrize("odd", ["nobody", 5, None, [], {"a": 1}, "x" * 5000, b"\xff"])
def test_a_message_with_an_invalid_notification_id_is_poison(db: None, odd: Any) -> None:
    record(message(headers={"notification_id": odd}))
    assert only().reason == "unknown"


def test_a_failed_message_that_was_dead_lettered_is_poison(alice: User) -> None:
    """The recorder's own queue expires nothing, so the pipeline did not publish this message."""
    row = row_with_status(alice, Status.FAILED)
    record(message(headers={"notification_id": str(row.pk), **DEAD}))
    assert only().notification_id is None


@pytest.mark.parametrize(
    ("headers", "reason", "channel"),
    [
        (
            {"x-first-death-queue": "push.urgent", "x-first-death-reason": "delivery_limit"},
            "delivery_limit",
            "push",
        ),
        ({"x-first-death-queue": "elsewhere", "x-first-death-reason": "expired"}, "expired", ""),
        ({"x-first-death-queue": 5, "x-first-death-reason": None}, "unknown", ""),
        ({"x-first-death-reason": "r" * 100}, "r" * 40, ""),
        ({"x-death": "nonsense"}, "unknown", ""),
    ],
)
def test_odd_headers_are_recorded_as_far_as_possible(
    db: None, headers: dict[str, Any], reason: str, channel: str
) -> None:
    record(message(headers=headers))
    assert (only().reason, only().channel) == (reason, channel)


def test_a_long_body_is_truncated(db: None) -> None:
    record(message(b"x" * 1_000_000, dict(DEAD)))
    assert len(only().message["body"]) == BODY_SHOWN_CHARACTERS


def test_a_long_id_is_truncated(db: None) -> None:
    record(message(headers={"id": "i" * 1000, **DEAD}))
    assert only().message_id == "i" * 255


@pytest.mark.parametrize(
    "odd",
    ["a\x00b", "\ud800", {"deep": "\x00"}, {"\x00": 1}, "\\u0000", float("nan"), 2**80, b"\x00"],
)
def test_values_that_the_database_cannot_store_are_replaced(db: None, odd: Any) -> None:
    record(message(headers={"odd": odd, "id": odd, **DEAD}))
    assert "\x00" not in str(only().message)
    DeadLetter.objects.all().delete()
    record(message(headers={"x-first-death-queue": odd, "x-first-death-reason": odd}))
    record(message(str(odd), {"x-death": [odd], "id": "x"}, content_type=str(odd)))
    assert DeadLetter.objects.count() == 2


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_garbage_in_a_lane_is_rejected_and_recorded(lanes: Lanes) -> None:
    bodies = [b"\xff\xfe", b"{}", b'{"hello": "world"}', b""]
    with current_app.connection_for_write() as connection:
        with connection.Producer() as producer:
            for place, body in enumerate(bodies):
                producer.publish(
                    body,
                    exchange=topology.EXCHANGE.name,
                    routing_key="push.bulk",
                    content_type="application/json",
                    content_encoding="utf-8",
                    message_id=f"garbage-{place}",
                )
        channel: Any
        with connection.channel() as channel:
            taken = 0
            while taken < len(bodies):
                found = channel.basic_get("push.bulk")
                if found is not None:
                    channel.basic_reject(found.delivery_tag, requeue=False)
                    taken += 1
        recorded(connection, len(bodies))
    letters = DeadLetter.objects.order_by("message_id")
    assert [letter.message_id for letter in letters] == [f"garbage-{n}" for n in range(4)]
    assert {(letter.reason, letter.channel) for letter in letters} == {("rejected", "push")}
    assert {letter.x_death[0]["queue"] for letter in letters} == {"push.bulk"}
    assert lanes.depth("failed") == 0
    assert Notification.objects.count() == 0


def recorded(connection: Connection, count: int) -> None:
    """Run the recorder until it has recorded at least ``count`` messages."""
    recorder: Any = Recorder(connection)
    for _ in recorder.consume(limit=None, timeout=1, safety_interval=0):
        if DeadLetter.objects.count() >= count:
            recorder.should_stop = True
