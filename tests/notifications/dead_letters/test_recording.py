"""The columns that a dead letter copies from its notification, and poison from the broker."""

import importlib
from typing import Any

import pytest
from celery import current_app
from django.apps import apps

from apps.notifications.broker import topology
from apps.notifications.dead_letters import replay_one
from apps.notifications.models import Attempt, DeadLetter
from apps.users.models import User
from tests.notifications.dead_letters.letters import dead_letter
from tests.notifications.dead_letters.test_store import recorded
from tests.notifications.factories import TEST_CALLER, accepted
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db


def test_a_letter_stores_the_columns_that_filters_use(alice: User) -> None:
    letter = dead_letter(alice, reason="rejected", provider="smtp", caller=TEST_CALLER)
    assert (letter.kind, letter.channel, letter.template_code) == ("test", "email", "welcome")
    assert (letter.reason, letter.provider, letter.state) == ("rejected", "smtp", "open")


def test_a_letter_of_a_notification_that_was_never_sent_has_no_provider(alice: User) -> None:
    assert dead_letter(alice, reason="template_error", provider="").provider == ""


def test_the_migration_copies_the_same_columns_into_older_letters(alice: User) -> None:
    live, tried = dead_letter(alice), dead_letter(alice, caller=TEST_CALLER, provider="")
    earlier = Attempt.objects.get()
    earlier.pk, earlier.number, earlier.provider = None, 2, "sendgrid"
    earlier.save(force_insert=True)
    DeadLetter.objects.update(kind="live", template_code="", provider="")
    migration: Any = importlib.import_module("apps.notifications.migrations.0002_dead_letter_desk")
    migration.copy_from_notifications(apps, None)
    columns = ("kind", "template_code", "provider")
    rows = {row[0]: row[1:] for row in DeadLetter.objects.values_list("pk", *columns)}
    assert rows == {live.pk: ("live", "welcome", "sendgrid"), tried.pk: ("test", "welcome", "")}


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_message_that_kills_its_workers_becomes_a_letter_and_can_be_replayed(
    alice: User, lanes: Lanes
) -> None:
    """Each worker takes the message and dies before its ack, until the delivery limit."""
    row = accepted(alice)
    with current_app.connection_for_write() as connection, connection.Producer() as producer:
        producer.publish(
            [[[str(row.pk)], 0], {}, {}],
            serializer="json",
            exchange=topology.EXCHANGE.name,
            routing_key="email.bulk",
            headers={"task": "notifications.deliver_email", "id": "killer-1"},
        )
        for _ in range(topology.DELIVERY_LIMIT + 1):
            take_and_die()
        recorded(connection, 1)
    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.channel, letter.message_id) == (
        "delivery_limit",
        "email",
        "killer-1",
    )
    assert lanes.depth("email.bulk") == 0
    assert replay_one.replay(letter.pk, by="operator").woken == (row.pk,)


def take_and_die() -> None:
    """Take the message on a separate connection and close that without an acknowledgement."""
    raw: Any = current_app.connection_for_write().clone().connect()
    channel = raw.channel()
    taken = None
    for _ in range(200):
        taken = taken or channel.basic_get("email.bulk")
    assert taken is not None
    # Closes the socket as a killed process does, without closing the AMQP connection first.
    raw.collect()
