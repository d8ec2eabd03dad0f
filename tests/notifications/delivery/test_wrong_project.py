"""An FCM key of another project: FCM answers SENDER_ID_MISMATCH for every token."""

from typing import Any

import pytest
from django.utils import timezone

from apps.common.channels import Channel
from apps.notifications.flow_control import breakers
from apps.notifications.flow_control.breakers import Forced, State
from apps.notifications.flow_control.breakers.sender_id_guard import ACCEPTED_MAX
from apps.notifications.models import Attempt, DeadLetter, Notification
from apps.users.models import Device, User
from tests.fakes.fcm_server import FcmServer, refusal
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, person

pytestmark = pytest.mark.django_db

FOREIGN = refusal(403, "PERMISSION_DENIED", "SenderId mismatch", fcm="SENDER_ID_MISMATCH")


@pytest.fixture
def fcm(fcm_server: FcmServer, settings: Any) -> FcmServer:
    settings.PUSH_PROVIDERS = ["fcm"]
    settings.EMBEDDED = True  # Dead letters are recorded at once.
    return fcm_server


def crowd(people: int, *, devices: int) -> list[User]:
    users = [person(f"p{place}") for place in range(people)]
    Device.objects.bulk_create(
        Device(user=user, token=f"{user.name}-{place}", platform="android")
        for user in users
        for place in range(devices)
    )
    return users


def pushes(users: list[User]) -> list[Notification]:
    return [accepted(user, notification_type="push") for user in users]


def deliver_now(rows: list[Notification]) -> None:
    """Deliver the waiting rows now, with the breakers no longer forced."""
    breakers.force(["fcm:android"], Forced.AUTO)
    Notification.objects.update(next_attempt_at=timezone.now())
    deliver(channel=Channel.PUSH, ids=[row.pk for row in rows], attempt=0)


def retired() -> int:
    return Device.objects.exclude(retired_reason="").count()


def statuses() -> set[tuple[str, int]]:
    return set(Notification.objects.values_list("status", "attempts"))


def test_no_device_of_a_thousand_is_retired_and_all_pushes_are_sent_afterwards(
    welcome: None, fcm: FcmServer
) -> None:
    rows = pushes(crowd(50, devices=20))
    fcm.scripted = {token: [FOREIGN] for token in Device.objects.values_list("token", flat=True)}

    for _ in range(2):
        deliver_now(rows)

    assert retired() == 0
    assert statuses() == {("retrying", 0)}
    circuit = breakers.shown("fcm:android")
    assert (circuit.state, circuit.reason) == (State.OPEN, "sender_id_mismatch")
    assert set(Attempt.objects.values_list("outcome", "code")) == {
        ("configuration", "SENDER_ID_MISMATCH")
    }
    assert not DeadLetter.objects.exists()

    fcm.scripted.clear()
    deliver_now(rows)

    assert statuses() == {("sent", 1)}
    assert len(fcm.notification_ids) == 1000
    assert set(fcm.notification_ids.values()) == {1}


def test_a_wrong_key_retires_at_most_five_devices_when_pushes_are_sent_one_by_one(
    welcome: None, fcm: FcmServer
) -> None:
    rows = pushes(crowd(12, devices=1))
    fcm.scripted = {token: [FOREIGN] for token in Device.objects.values_list("token", flat=True)}

    for row in rows:
        deliver_now([row])

    assert retired() == ACCEPTED_MAX
    assert Notification.objects.filter(status="failed").count() == ACCEPTED_MAX
    assert Notification.objects.filter(status="retrying", attempts=0).count() == 7


def test_a_single_token_of_another_project_is_retired(welcome: None, fcm: FcmServer) -> None:
    rows = pushes(crowd(20, devices=1))
    fcm.scripted = {"P3-0": [FOREIGN]}

    deliver_now(rows)

    assert list(
        Device.objects.exclude(retired_reason="").values_list("token", "retired_reason")
    ) == [("P3-0", "sender_id_mismatch")]
    assert breakers.shown("fcm:android").state is State.CLOSED


def test_with_a_breaker_forced_closed_every_mismatch_retires_its_device(
    welcome: None, fcm: FcmServer
) -> None:
    rows = pushes(crowd(10, devices=1))
    fcm.scripted = {token: [FOREIGN] for token in Device.objects.values_list("token", flat=True)}
    breakers.force(["fcm:android"], Forced.CLOSED)

    deliver(channel=Channel.PUSH, ids=[row.pk for row in rows], attempt=0)

    assert retired() == 10
    assert statuses() == {("failed", 1)}
