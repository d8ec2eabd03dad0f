"""The events in the OpenAPI document are those that are sent."""

import json
from typing import Any

import jsonschema_rs
import pytest
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from apps.common.callers import Kind
from apps.notifications.dead_letters import store
from apps.notifications.lifecycle import announce
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch
from apps.users import contacts, preferences
from apps.users.models import User
from apps.webhooks import endpoints
from apps.webhooks.delivery.record import body_of
from apps.webhooks.event_types import EVENT_TYPES, TEST
from apps.webhooks.models import Delivery, Endpoint
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.factories import accepted, row_with_status

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def document() -> Any:
    generator: Any = SchemaGenerator
    return generator().get_schema(request=None, public=True)


def test_every_type_of_event_is_described(document: Any) -> None:
    assert set(document["webhooks"]) == {*EVENT_TYPES, TEST}
    for described in document["webhooks"].values():
        names = {each["name"] for each in described["post"]["parameters"]}
        assert names == {"webhook-id", "webhook-timestamp", "webhook-signature"}


def test_what_is_sent_is_what_is_described(document: Any, endpoint: Endpoint, alice: User) -> None:
    deliver_and_refresh(accepted(alice, metadata={"order": 7}))
    failed = row_with_status(alice, Status.FAILED, reason="rejected")
    store.record_failed([failed.pk])
    assert alice.email is not None
    contacts.suppress(email=alice.email, reason="complaint")
    preferences.merge(user_id=alice.pk, patch={"push": False})
    batch = Batch(client="shop", kind=Kind.LIVE)
    announce.batch_finished(batch, now=timezone.now())
    endpoints.send_test(endpoint, actor="shop")
    sent = list(Delivery.objects.all())
    for row in sent:
        schema = document["webhooks"][row.event]["post"]["requestBody"]["content"]
        validator = jsonschema_rs.validator_for(schema["application/json"]["schema"])
        body = json.loads(body_of(row, external_ids={}))
        assert list(validator.iter_errors(body)) == [], row.event
        assert set(body["data"]) <= set(
            schema["application/json"]["schema"]["properties"]["data"]["properties"]
        )
    assert {row.event for row in sent} == {
        "address.suppressed",
        "batch.finished",
        "dead_letter.created",
        "notification.accepted",
        "notification.delivered",
        "preferences.changed",
        TEST,
    }
