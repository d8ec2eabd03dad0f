"""Which provider takes which message."""

from typing import Any
from uuid import uuid4

import pytest

from apps.common.callers import Kind
from apps.notifications import breakers
from apps.notifications.breakers import Forced
from apps.notifications.delivery.deliver import deliver
from apps.notifications.delivery.routing import Parcel, plan
from apps.notifications.models import Attempt
from apps.notifications.queues import Channel
from apps.users.models import User
from tests.fakes.messages import a_mail, a_push
from tests.notifications.cast import Lanes, accepted


@pytest.fixture(autouse=True)
def providers(settings: Any) -> None:
    settings.EMAIL_PROVIDERS = ["smtp", "sendgrid"]
    settings.PUSH_PROVIDERS = ["fcm"]


def live(message: Any) -> Parcel:
    return Parcel(message=message, kind=Kind.LIVE)


def test_the_preferred_provider_takes_all_while_its_breaker_is_closed() -> None:
    made = plan(Channel.EMAIL, [live(a_mail()), live(a_mail())])

    assert made.provider == {0: "smtp", 1: "smtp"}
    assert made.held_until == {}


def test_the_next_provider_takes_over_while_the_first_is_open() -> None:
    breakers.force(["smtp"], Forced.OPEN)

    assert plan(Channel.EMAIL, [live(a_mail())]).provider == {0: "sendgrid"}


def test_with_all_breakers_open_the_message_is_held_back() -> None:
    breakers.force(["smtp", "sendgrid"], Forced.OPEN)

    made = plan(Channel.EMAIL, [live(a_mail())])

    assert made.provider == {}
    assert set(made.held_until) == {0}


def test_a_broken_key_of_one_platform_does_not_stop_the_others() -> None:
    breakers.force(["fcm:ios"], Forced.OPEN)
    parcels = [
        live(a_push(platform=platform, device_id=uuid4())) for platform in ("android", "ios", "web")
    ]

    made = plan(Channel.PUSH, parcels)

    assert made.provider == {0: "fcm", 2: "fcm"}
    assert set(made.held_until) == {1}


def test_test_notifications_go_to_the_sandbox_whatever_the_breakers_say() -> None:
    breakers.force(["smtp", "sendgrid"], Forced.OPEN)

    made = plan(Channel.EMAIL, [Parcel(message=a_mail(), kind=Kind.TEST)])

    assert (made.provider, made.breaker) == ({0: "sandbox"}, {0: ""})


def test_what_no_provider_takes_is_woken_by_the_sweep_and_makes_no_message(
    alice: User, lanes: Lanes
) -> None:
    breakers.force(["smtp", "sendgrid"], Forced.OPEN)
    row = accepted(alice)

    groups = deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)

    row.refresh_from_db()
    assert groups == []
    assert (row.status, row.attempts) == ("retrying", 0)
    assert row.wake_at == row.next_attempt_at
    assert not Attempt.objects.exists()
