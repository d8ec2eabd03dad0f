"""Rows that are inserted as one JSON document are read back unchanged."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apps.common.ids import new_id
from apps.common.postgresql.json_insert import insert
from apps.notifications.models import Attempt, Event, Notification
from apps.users.models import User
from tests.notifications.factories import accepted, body

pytestmark = pytest.mark.django_db

# Text that JSON can represent and PostgreSQL can store: no NUL, no lone surrogate.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False, width=32)
DOCUMENTS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
TIMES = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - the strategy adds the zone.
    max_value=datetime(9999, 12, 31),  # noqa: DTZ001 - as above.
    timezones=st.just(UTC),
)


def a_row(**columns: Any) -> Notification:
    return Notification(
        **{
            "client": "shop",
            "kind": "live",
            "body_digest": bytes(range(32)),
            "correlation_id": "c",
            "channel": "email",
            "user_id": uuid4(),
            "template_code": "welcome",
            "template_version": 1,
            "template_version_id": uuid4(),
            "language": "en",
            "priority": 5,
            "status": "pending",
            "wake_at": timezone.now(),
            **columns,
        }
    )


def columns_of(row: models.Model) -> dict[str, Any]:
    found = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return {
        name: bytes(value) if isinstance(value, memoryview) else value
        for name, value in found.items()
        if name != "id"
    }


def stored(row: models.Model) -> dict[str, Any]:
    return columns_of(type(row)._base_manager.get(pk=row.pk))


class TestAnyContent(TestCase):
    @given(
        variables=DOCUMENTS,
        secret=st.none() | DOCUMENTS,
        request_id=st.none() | TEXTS.filter(bool),
        digest=st.binary(min_size=32, max_size=32),
        canonical_digest=st.none() | st.binary(min_size=32, max_size=32),
        scheduled_for=st.none() | TIMES,
        sensitive=st.booleans(),
    )
    @hypothesis_settings(
        max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    def test_is_stored_as_django_stores_it(self, digest: bytes, **columns: Any) -> None:
        columns["secret_variables"] = columns.pop("secret")
        ours = a_row(body_digest=digest, batch_id=uuid4(), **columns)
        # Equal except for the idempotency key's client, because the key must be unique.
        theirs = a_row(**{**columns_of(ours), "client": "other"})

        insert([ours])
        Notification.objects.bulk_create([theirs])

        assert stored(ours) == {**stored(theirs), "client": "shop"}


def test_rows_of_other_models_are_read_back_unchanged(alice: User) -> None:
    row = accepted(alice)
    attempt = Attempt(
        notification=row,
        number=1,
        provider="smtp",
        device_id=None,
        outcome="accepted",
        code="250",
        detail='a "word" \\ and ünïcode',
        correlation_id="c",
        started_at=timezone.now(),
        duration_ms=12,
    )
    event = Event(notification_id=row.pk, status="failed", detail="")

    insert([attempt])
    insert([event])

    assert stored(attempt) == columns_of(attempt)
    assert stored(event) == columns_of(event)


def test_saving_an_inserted_row_updates_it() -> None:
    row = a_row()

    insert([row])
    row.reason = "changed"
    row.save()

    assert Notification.objects.get(pk=row.pk).reason == "changed"


def test_all_rows_are_stored_or_none() -> None:
    twice = a_row()

    with pytest.raises(IntegrityError), transaction.atomic():
        insert([a_row(), twice, a_row(id=twice.pk)])

    assert not Notification.objects.exists()


def test_no_rows_cause_no_statement() -> None:
    with CaptureQueriesContext(connection) as captured:
        insert([])

    assert not captured.captured_queries


@pytest.mark.services
def test_an_unsupported_field_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"AutoField"):
        insert([Permission(codename="x")])


@pytest.mark.services
def test_a_bulk_call_inserts_its_rows_with_one_statement(shop: Any, alice: User) -> None:
    rows = [body(alice) for _ in range(3)]
    with CaptureQueriesContext(connection) as captured:
        shop.post("/api/v1/notifications/bulk", {"notifications": rows}, format="json")
    (statement,) = [
        query["sql"]
        for query in captured.captured_queries
        if 'INSERT INTO "notifications_notification"' in query["sql"]
    ]
    assert "json_populate_recordset" in statement
    assert Notification.objects.count() == len(rows)


def test_the_id_is_generated_before_the_row_is_stored() -> None:
    assert a_row().pk.version == new_id().version
