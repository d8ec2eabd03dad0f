"""The sandbox stores everything, sends nothing, and simulates answers chosen by the recipient."""

import time

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.common.ids import new_id
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.models.sandbox import SandboxMessage
from apps.notifications.providers.sandbox import SandboxMail, SandboxPush
from tests.fakes.messages import a_mail, a_push

pytestmark = pytest.mark.django_db


def soon() -> float:
    return time.monotonic() + 10


def test_a_mail_is_stored_as_it_would_have_been_sent() -> None:
    mail = a_mail(headers={"List-Unsubscribe": "<https://example.com/u/1>"})

    reply = SandboxMail().send(mail)

    row = SandboxMessage.objects.get()
    assert (reply.outcome, reply.delivered) == (Outcome.ACCEPTED, True)
    assert reply.provider_message_id == str(row.id)
    assert (row.notification_id, row.channel) == (mail.notification_id, "email")
    assert (row.recipient, row.subject) == ("bob@example.com", "Your order")
    assert (row.text, row.html) == ("It is on its way.", "<p>It is on its way.</p>")
    assert (row.correlation_id, row.outcome) == ("corr-1", "accepted")
    assert row.headers == {
        "From": "Notifications <notifications@example.com>",
        "To": "Bob <bob@example.com>",
        "Subject": "Your order",
        "Message-ID": mail.message_id,
        "X-Correlation-ID": "corr-1",
        "List-Unsubscribe": "<https://example.com/u/1>",
    }


def test_a_push_is_stored_with_its_data() -> None:
    push = a_push(image="https://example.com/a.png", data={"order": "1"})

    SandboxPush().send(push)

    row = SandboxMessage.objects.get()
    assert (row.channel, row.recipient) == ("push", "token-of-bob")
    assert (row.subject, row.text) == ("Your order", "It is on its way.")
    assert row.headers == {"image": "https://example.com/a.png", "platform": "android"}
    assert row.data == {
        "order": "1",
        "notification_id": str(push.notification_id),
        "correlation_id": "corr-1",
    }


@pytest.mark.parametrize("address", ["bounce@example.com", "BOUNCE+1@example.com"])
def test_a_bouncing_address_is_dead_and_stored_as_refused(address: str) -> None:
    reply = SandboxMail().send(a_mail(address))

    assert (reply.outcome, reply.code) == (Outcome.DEAD_ADDRESS, "550 5.1.1")
    assert (reply.reason, reply.delivered) == ("hard_bounce", False)
    row = SandboxMessage.objects.get()
    assert (row.outcome, row.accepted) == ("dead_address", False)


@pytest.mark.parametrize("address", ["bouncer@example.com", "alice@bounce.example.com"])
def test_similar_addresses_are_accepted(address: str) -> None:
    assert SandboxMail().send(a_mail(address)).outcome is Outcome.ACCEPTED


def test_a_bouncing_token_is_unregistered() -> None:
    reply = SandboxPush().send(a_push("bounce-1"))

    assert (reply.outcome, reply.code) == (Outcome.DEAD_ADDRESS, "UNREGISTERED")
    assert reply.reason == "unregistered"


def test_a_flaky_address_fails_once_for_each_notification() -> None:
    first, second = a_mail("flaky@example.com"), a_mail("flaky@example.com")
    sandbox = SandboxMail()

    outcomes = [sandbox.send(mail).outcome for mail in (first, first, second, first, second)]

    assert outcomes == [
        Outcome.TRANSIENT,
        Outcome.ACCEPTED,
        Outcome.TRANSIENT,
        Outcome.ACCEPTED,
        Outcome.ACCEPTED,
    ]
    assert SandboxMessage.objects.filter(outcome="transient").count() == 2


def test_two_flaky_devices_of_one_notification_each_fail_once() -> None:
    notification_id = new_id()
    pushes = [a_push(f"flaky-{n}", notification_id=notification_id) for n in range(2)]
    sandbox = SandboxPush()

    first = sandbox.send_all(pushes, until=soon())
    second = sandbox.send_all(pushes, until=soon())

    assert [reply and reply.outcome for reply in first] == [Outcome.TRANSIENT] * 2
    assert [reply and reply.outcome for reply in second] == [Outcome.ACCEPTED] * 2


def test_slow_mails_of_a_chunk_share_one_delay() -> None:
    mails = [a_mail("slow@example.com") for _ in range(5)] + [a_mail()]
    slept: list[float] = []

    replies = SandboxMail(slow_seconds=0.2, sleep=slept.append).send_all(mails, until=soon())

    assert slept == [0.2]
    assert [reply and reply.outcome for reply in replies] == [Outcome.ACCEPTED] * 6
    assert [reply and reply.duration_ms for reply in replies] == [200] * 5 + [0]


def test_a_chunk_costs_one_insert(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    # INSERT of 50 rows; SQLite takes no more than 999 values at once.
    with django_assert_num_queries(1):
        SandboxMail().send_all([a_mail() for _ in range(50)], until=soon())


def test_a_flaky_chunk_costs_one_query_more(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    # SELECT of earlier attempts; INSERT.
    with django_assert_num_queries(2):
        SandboxMail().send_all([a_mail("flaky@example.com") for _ in range(10)], until=soon())


def test_text_that_the_database_cannot_store_is_stored_as_far_as_possible() -> None:
    odd = "a\0b\ud800c"

    SandboxMail().send(a_mail(subject=odd, text=odd, html=odd, headers={"X-Note": odd}))
    SandboxPush().send(a_push(title=odd, body=odd, data={"note": odd}))

    push, mail = SandboxMessage.objects.all()
    assert (mail.subject, mail.text, mail.html) == ("a\ufffdb?c",) * 3
    assert mail.headers["X-Note"] == push.data["note"] == push.text == "a\ufffdb?c"


def test_messages_of_a_user_can_be_erased() -> None:
    mine, others = [a_mail() for _ in range(3)], a_mail("alice@example.com")
    SandboxMail().send_all([*mine, others], until=soon())
    absent = [new_id() for _ in range(1200)]

    erased = SandboxMessage.objects.erase([*absent, *(mail.notification_id for mail in mine)])

    assert erased == 3
    assert SandboxMessage.objects.get().recipient == "alice@example.com"
