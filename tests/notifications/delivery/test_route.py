"""Which provider takes which message."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.channels import Channel
from apps.notifications.broker.topology import Urgency
from apps.notifications.delivery.route import OutgoingMessage, plan
from apps.notifications.flow_control import breakers, limits
from apps.notifications.flow_control.breakers import Forced
from apps.notifications.flow_control.breakers import gate as breaker_gate
from apps.notifications.flow_control.limits import RequestClass
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.models import Attempt
from apps.notifications.providers.base import Reply
from apps.users.models import User
from tests.fakes.messages import a_mail, a_push
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted
from tests.notifications.lanes import Lanes


@pytest.fixture(autouse=True)
def providers(settings: Any) -> None:
    settings.EMAIL_PROVIDERS = ["smtp", "sendgrid"]
    settings.PUSH_PROVIDERS = ["fcm"]


def live(message: Any) -> OutgoingMessage:
    return OutgoingMessage(message=message, kind=Kind.LIVE)


def test_the_preferred_provider_takes_all_while_its_breaker_is_closed() -> None:
    made = plan(Channel.EMAIL, [live(a_mail()), live(a_mail())])

    assert made.provider == {0: "smtp", 1: "smtp"}
    assert made.held == {}


def test_the_next_provider_takes_over_while_the_first_is_open() -> None:
    breakers.force(["smtp"], Forced.OPEN)

    assert plan(Channel.EMAIL, [live(a_mail())]).provider == {0: "sendgrid"}


def test_with_all_breakers_open_the_message_is_held_back() -> None:
    breakers.force(["smtp", "sendgrid"], Forced.OPEN)

    made = plan(Channel.EMAIL, [live(a_mail())])

    assert made.provider == {}
    assert set(made.held) == {0}


def test_a_broken_key_of_one_platform_does_not_stop_the_others() -> None:
    breakers.force(["fcm:ios"], Forced.OPEN)
    messages = [
        live(a_push(platform=platform, device_id=uuid4())) for platform in ("android", "ios", "web")
    ]

    made = plan(Channel.PUSH, messages)

    assert made.provider == {0: "fcm", 2: "fcm"}
    assert set(made.held) == {1}


def test_under_a_limit_the_rest_waits_for_the_same_provider(settings: Any) -> None:
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 10.0}
    urgent = RequestClass(urgency=Urgency.URGENT)

    made = plan(Channel.EMAIL, [live(a_mail()) for _ in range(30)], request=urgent)

    assert made.provider == dict.fromkeys(range(10), "smtp")
    assert set(made.held) == set(range(10, 30))
    assert {held.why for held in made.held.values()} == {"waits for its turn with smtp"}


def test_the_next_provider_takes_over_while_the_first_wants_no_calls() -> None:
    pause = Reply(outcome=Outcome.RATE_LIMITED, pause_seconds=60)
    limits.report("smtp", [pause], began=time.time())

    assert plan(Channel.EMAIL, [live(a_mail())]).provider == {0: "sendgrid"}

    limits.report("sendgrid", [pause], began=time.time())
    made = plan(Channel.EMAIL, [live(a_mail())])

    assert made.provider == {}
    assert made.held[0].until > timezone.now() + timedelta(seconds=59)


def test_the_platforms_of_a_provider_share_its_limit(settings: Any) -> None:
    settings.PROVIDER_MAX_PER_SECOND = {"fcm": 4.0}
    messages = [live(a_push(platform=platform)) for platform in ("android", "ios", "web") * 3]

    made = plan(Channel.PUSH, messages, request=RequestClass(urgency=Urgency.URGENT))

    assert made.breaker == {
        0: "fcm:android",
        1: "fcm:ios",
        2: "fcm:web",
        3: "fcm:android",
    }
    assert set(made.held) == {4, 5, 6, 7, 8}


def test_a_probe_that_the_limit_holds_back_is_left_for_the_next(settings: Any) -> None:
    settings.PROVIDER_MAX_PER_SECOND = {"fcm": 1.0}
    settings.PUSH_PROVIDERS = ["fcm"]
    breakers.report("fcm:ios", breakers.Tally(successes=0, failures=20, fatal=""))
    breaker_gate._store.update(
        "fcm:ios", lambda circuit: replace(circuit, changed_at=time.time() - 60)
    )

    made = plan(Channel.PUSH, [live(a_push(platform="ios")) for _ in range(3)])

    assert (len(made.provider), len(made.held)) == (1, 2)
    assert breakers.shown("fcm:ios").probes_left == 2


def test_test_notifications_go_to_the_sandbox_whatever_the_breakers_say(settings: Any) -> None:
    breakers.force(["smtp", "sendgrid"], Forced.OPEN)
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 1.0}

    made = plan(Channel.EMAIL, [OutgoingMessage(message=a_mail(), kind=Kind.TEST)])

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
