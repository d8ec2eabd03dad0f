"""Publishing never blocks the caller, and a lost message loses no notification."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from apps.common.channels import Channel
from apps.common.ids import new_id
from apps.notifications.broker.publisher import (
    Publisher,
    Wakeup,
    messages_of,
    publish,
    publish_failed,
)
from apps.notifications.broker.topology import MESSAGE_SIZES
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter
from apps.users.models import User
from tests.fakes.proxy import Proxy
from tests.notifications.factories import accepted, person, row_with_status, template
from tests.notifications.lanes import Lanes

Message = tuple[str, str, list[str], int]


def wakeups(count: int, *, lane: str = "email", attempt: int = 0) -> list[Wakeup]:
    return [
        Wakeup(notification_id=new_id(), lane=lane, attempt=attempt, correlation_id="corr-1")
        for _ in range(count)
    ]


def ids_of(group: list[Wakeup]) -> list[str]:
    return [str(wakeup.notification_id) for wakeup in group]


def until(true: Callable[[], bool], *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def taken_until(lanes: Lanes, count: int) -> list[Message]:
    """Take messages until they contain ``count`` ids in total."""
    taken: list[Message] = []

    def all_there() -> bool:
        taken.extend(lanes.take())
        return sum(len(ids) for _, _, ids, _ in taken) >= count

    until(all_there)
    return taken


def test_a_message_has_one_lane_one_attempt_and_at_most_three_hundred_mails() -> None:
    usual, again = wakeups(650), wakeups(1, attempt=1)
    urgent = wakeups(2, lane="email.urgent")
    made = messages_of([*usual[:100], *urgent, *again, *usual[100:]])
    assert [len(message) for message in made] == [300, 300, 50, 2, 1]
    assert [wakeup for message in made[:3] for wakeup in message] == usual
    assert all(len({(one.lane, one.attempt) for one in message}) == 1 for message in made)
    assert messages_of([]) == []


def test_a_message_has_five_hundred_push_messages_at_most() -> None:
    made = messages_of([*wakeups(1200, lane="push.bulk"), *wakeups(3, lane="push.urgent")])
    assert [len(message) for message in made] == [500, 500, 200, 3]


@pytest.mark.parametrize(
    ("lane", "task"),
    [
        ("email.urgent", "notifications.deliver_email"),
        ("email", "notifications.deliver_email"),
        ("email.bulk", "notifications.deliver_email"),
        ("push.urgent", "notifications.deliver_push"),
        ("push", "notifications.deliver_push"),
        ("push.bulk", "notifications.deliver_push"),
    ],
)
def test_a_message_carries_ids_and_the_attempt_into_its_lane(
    lanes: Lanes, lane: str, task: str
) -> None:
    group = wakeups(3, lane=lane, attempt=4)
    publish(group)
    assert lanes.take() == [(lane, task, ids_of(group), 4)]


def test_a_message_carries_the_correlation_ids_and_no_content(
    lanes: Lanes, db: None, alice: User
) -> None:
    row = accepted(alice)
    publish([Wakeup.of(row), Wakeup.of(row)])
    message = lanes.first("email")
    assert message.headers["correlation_ids"] == [row.correlation_id]
    assert b"Ada" not in bytes(str(message.body), "utf-8")
    assert "alice" not in str(message.body)


def test_the_longest_message_fits_into_the_frames_of_the_broker(lanes: Lanes) -> None:
    group = [
        Wakeup(
            notification_id=new_id(),
            lane="push",
            attempt=0,
            correlation_id=f"{number:0128}",
        )
        for number in range(MESSAGE_SIZES[Channel.PUSH])
    ]
    publish(group)
    assert lanes.take() == [("push", "notifications.deliver_push", ids_of(group), 0)]


def test_wake_ups_handed_over_during_a_publish_are_sent_together(lanes: Lanes) -> None:
    publisher = Publisher()
    group = wakeups(100)
    # Each hand-over returns at once, whatever the broker does.
    for wakeup in group:
        publisher.hand_over([wakeup])
    messages = taken_until(lanes, 100)
    assert sorted(pk for _, _, ids, _ in messages for pk in ids) == sorted(ids_of(group))
    assert len(messages) < 100


def test_a_hand_over_does_not_wait_for_the_broker(
    lanes: Lanes, broker_unreachable: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher()
    group = wakeups(1000)
    for wakeup in group:
        publisher.hand_over([wakeup])
    # All wake-ups have been accepted although none could be published.
    until(lambda: "broker did not accept a message" in caplog.text)
    assert lanes.take() == []
    broker_unreachable()
    taken_until(lanes, 1000)


def test_the_publisher_survives_an_unreachable_broker_and_loses_nothing(
    lanes: Lanes, broker_unreachable: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher()
    group = wakeups(3)
    publisher.hand_over(group[:2])
    until(lambda: "broker did not accept a message" in caplog.text)
    publisher.hand_over(group[2:])
    assert lanes.take() == []
    broker_unreachable()
    found = [pk for _, _, ids, _ in taken_until(lanes, 3) for pk in ids]
    assert sorted(found) == sorted(ids_of(group))


def test_publishing_to_an_unreachable_broker_raises(broker_unreachable: Callable[[], None]) -> None:
    with pytest.raises(OperationalError):
        publish(wakeups(1))


@pytest.mark.django_db(transaction=True)
def test_only_what_was_committed_is_published(lanes: Lanes, local_worker: None) -> None:
    template("welcome")
    user = person("alice")
    rows = [accepted(user) for _ in range(3)]
    found = [pk for _, _, ids, _ in taken_until(lanes, 3) for pk in ids]
    assert sorted(found) == sorted(str(row.pk) for row in rows)


@pytest.mark.embedded
@pytest.mark.django_db
def test_a_command_beside_the_embedded_process_publishes_nothing_in_its_own_memory(
    alice: User, lanes: Lanes
) -> None:
    row = accepted(alice)
    assert row.wake_at == row.created_at
    assert lanes.take() == []


@pytest.mark.embedded
@pytest.mark.django_db
def test_the_embedded_mode_records_failures_in_the_same_process(alice: User) -> None:
    row = row_with_status(alice, Status.FAILED, reason="rejected", wake_at=None)
    publish_failed([row.pk])
    publish_failed([row.pk])
    letter = DeadLetter.objects.get()
    assert (letter.notification_id, letter.reason, letter.channel) == (row.pk, "rejected", "email")


@pytest.mark.services
@pytest.mark.django_db
def test_failures_go_through_the_dead_letter_exchange(alice: User, lanes: Lanes) -> None:
    row = row_with_status(alice, Status.FAILED, reason="rejected")
    publish_failed([row.pk])
    assert DeadLetter.objects.count() == 0
    message = lanes.first("failed")
    assert message.headers["notification_id"] == str(row.pk)
    assert message.payload == {"notification_id": str(row.pk)}


@pytest.mark.services
@pytest.mark.django_db
def test_failures_are_left_to_the_sweep_while_the_broker_is_unreachable(
    alice: User, broker_unreachable: Callable[[], None]
) -> None:
    row = row_with_status(alice, Status.FAILED, reason="rejected")
    publish_failed([row.pk])
    assert DeadLetter.objects.count() == 0
    row.refresh_from_db()
    assert row.wake_at is not None


def test_publishing_no_failures_opens_no_connection(broker_unreachable: Callable[[], None]) -> None:
    publish_failed([])


def test_a_steady_stream_is_published_in_fewer_messages(lanes: Lanes) -> None:
    publisher = Publisher()
    for _ in range(60):
        publisher.hand_over(wakeups(1))
        time.sleep(0.002)
    messages = taken_until(lanes, 60)
    assert len(messages) < 30


def test_the_first_wake_up_after_a_pause_and_urgent_ones_are_published_at_once(
    lanes: Lanes,
) -> None:
    publisher = Publisher()
    publisher.hand_over(wakeups(1))
    first = taken_until(lanes, 1)
    for _ in range(5):
        publisher.hand_over(wakeups(1, lane="email.urgent"))
        time.sleep(0.005)
    urgent = taken_until(lanes, 5)
    assert len(first) == 1
    assert len(urgent) > 1


class Unwritable:
    """An attempt number that cannot be serialized, and that is grouped with attempt 0."""

    def __eq__(self, other: object) -> bool:
        return other == 0

    def __hash__(self) -> int:
        return hash(0)


def unwritable(lane: str = "email") -> Wakeup:
    attempt: Any = Unwritable()
    return Wakeup(notification_id=new_id(), lane=lane, attempt=attempt, correlation_id="corr-1")


def test_a_wake_up_that_cannot_be_serialized_does_not_stop_others(
    lanes: Lanes, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher()
    bad, group = unwritable(), wakeups(7)
    publisher.hand_over([bad, *group])
    found = [pk for _, _, ids, _ in taken_until(lanes, 7) for pk in ids]
    assert sorted(found) == sorted(ids_of(group))
    until(lambda: str(bad.notification_id) in caplog.text)
    # The publishing thread is still running.
    after = wakeups(3)
    publisher.hand_over(after)
    assert [pk for _, _, ids, _ in taken_until(lanes, 3) for pk in ids] == ids_of(after)


def test_a_wake_up_of_an_unknown_lane_does_not_stop_others(
    lanes: Lanes, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher()
    bad, group = wakeups(1, lane="sms.loud"), wakeups(3)
    publisher.hand_over([*bad, *group])
    found = [pk for _, _, ids, _ in taken_until(lanes, 3) for pk in ids]
    assert sorted(found) == sorted(ids_of(group))
    assert "there is no such queue" in caplog.text
    assert messages_of([*bad, *group]) == [group]
    after = wakeups(3)
    publisher.hand_over(after)
    assert [pk for _, _, ids, _ in taken_until(lanes, 3) for pk in ids] == ids_of(after)


@pytest.mark.services
def test_a_message_counts_as_published_only_when_the_broker_confirms_it(
    lanes: Lanes, broker_proxy: Proxy
) -> None:
    """A frozen broker accepts bytes for a while; without its confirm they may be lost."""
    publish(wakeups(1))
    broker_proxy.freeze()
    with pytest.raises(OperationalError):
        publish(wakeups(1))
    broker_proxy.thaw()


def test_the_publishing_thread_survives_any_exception(
    lanes: Lanes, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher()
    nonsense: Any = []
    publisher.hand_over(
        [Wakeup(notification_id=new_id(), lane="email", attempt=nonsense, correlation_id="c")]
    )
    until(lambda: "messages could not be published" in caplog.text)
    after = wakeups(3)
    publisher.hand_over(after)
    assert [pk for _, _, ids, _ in taken_until(lanes, 3) for pk in ids] == ids_of(after)


def test_a_flush_waits_for_the_broker_up_to_its_timeout(
    lanes: Lanes, broker_unreachable: Callable[[], None]
) -> None:
    publisher = Publisher()
    assert publisher.flush(timeout_seconds=0) is True
    publisher.hand_over(wakeups(300))
    assert publisher.flush(timeout_seconds=0.2) is False
    broker_unreachable()
    assert publisher.flush(timeout_seconds=10) is True
    assert len(lanes.ids()) == 300
