"""Deliveries on a real socket: what arrives, what is recorded, what is tried again."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import InterfaceError
from django.utils import timezone

from apps.webhooks import endpoints, subscriptions
from apps.webhooks.delivery import claim as claims
from apps.webhooks.delivery import dispatcher as dispatching
from apps.webhooks.delivery.dispatcher import Dispatcher
from apps.webhooks.models import Delivery, DeliveryState, DisabledReason, Endpoint
from apps.webhooks.schedule import CALLS_PER_ENDPOINT, OPEN_AFTER_FAILURES
from tests.fakes.http_server import Answer
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.webhooks.factories import all_ended, at_rest, endpoint_of, stored, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def woken(dispatcher: Dispatcher, endpoint: Endpoint) -> None:
    dispatcher.wake([endpoint.pk])


def test_an_event_arrives_signed_and_is_recorded(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    (row,) = stored()
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    (event,) = receiver.events
    assert event["type"] == "notification.delivered"
    assert event["data"]["notification_id"] == "n-1"
    (request,) = receiver.received
    assert request.headers["webhook-id"] == str(row.event_id)
    assert request.headers["x-correlation-id"] == "c-1"
    row.refresh_from_db()
    assert (row.state, row.wake_at, row.claim_id) == (DeliveryState.DELIVERED, None, None)
    (attempt,) = row.attempts
    assert (attempt["status_code"], attempt["error"]) == (204, None)


def test_a_thousand_events_arrive_once_each(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    rows = stored(1000)
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    assert receiver.ids() == {str(row.event_id): 1 for row in rows}
    assert receiver.forged == 0


def test_a_failed_call_is_tried_again_with_the_same_id_and_body(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    receiver.script = lambda _: Answer(status=500 if len(receiver.received) == 0 else 204)
    (row,) = stored()
    before = timezone.now()
    woken(dispatcher, endpoint)
    wait_until(lambda: receiver.received and at_rest())
    row.refresh_from_db()
    assert row.state == DeliveryState.PENDING
    assert row.wake_at is not None
    assert row.wake_at >= before + timedelta(seconds=5)
    Delivery.objects.update(wake_at=timezone.now())
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    row.refresh_from_db()
    assert [attempt["status_code"] for attempt in row.attempts] == [500, 204]
    endpoint.refresh_from_db()
    assert (endpoint.failures, endpoint.failing_since) == (0, None)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 500, 503])
def test_only_2xx_is_a_success_and_no_redirect_is_followed(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher, status: int
) -> None:
    receiver.script = lambda _: Answer(status=status, headers={"Location": f"{receiver.url}/other"})
    (row,) = stored()
    woken(dispatcher, endpoint)
    wait_until(lambda: receiver.received and at_rest())
    row.refresh_from_db()
    assert row.state == DeliveryState.PENDING
    assert [request.path for request in receiver.received] == ["/hook"]


def test_410_disables_the_endpoint_and_ends_what_waits(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    receiver.script = lambda _: Answer(status=410)
    stored()
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    endpoint.refresh_from_db()
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, DisabledReason.GONE)
    assert stored() == []
    assert len(receiver.received) == 1


def test_five_days_of_nothing_but_failures_disable_the_endpoint(
    receiver: WebhookReceiver, dispatcher: Dispatcher, db: None
) -> None:
    since = timezone.now() - timedelta(days=5, minutes=1)
    endpoint = endpoint_of(receiver, failing_since=since, failures=9)
    receiver.script = lambda _: Answer(status=500)
    stored()
    woken(dispatcher, endpoint)
    wait_until(lambda: not Endpoint.objects.get(pk=endpoint.pk).enabled)
    endpoint.refresh_from_db()
    assert endpoint.disabled_reason == DisabledReason.FAILING


def test_an_endpoint_that_works_again_is_not_disabled(
    receiver: WebhookReceiver, dispatcher: Dispatcher, db: None
) -> None:
    since = timezone.now() - timedelta(days=6)
    endpoint = endpoint_of(receiver, failing_since=since, failures=9)
    stored(3)
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    endpoint.refresh_from_db()
    assert endpoint.enabled
    assert endpoint.failing_since is None


def test_the_breaker_opens_after_failures_in_a_row_and_then_tries_one(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    receiver.script = lambda _: Answer(status=500)
    stored(200)
    woken(dispatcher, endpoint)
    wait_until(lambda: Endpoint.objects.get(pk=endpoint.pk).open_until is not None and at_rest())
    calls = len(receiver.received)
    assert calls <= CALLS_PER_ENDPOINT + OPEN_AFTER_FAILURES - 1, (
        "those that had begun, and none of the rows that were claimed meanwhile"
    )
    woken(dispatcher, endpoint)
    assert len(receiver.received) == calls
    Endpoint.objects.update(open_until=timezone.now())
    receiver.script = None
    woken(dispatcher, endpoint)
    wait_until(lambda: Delivery.objects.filter(state="delivered").count() >= 200 - calls)
    assert Endpoint.objects.get(pk=endpoint.pk).failures == 0


def test_retry_after_postpones_the_delivery_and_pauses_the_endpoint(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    receiver.script = lambda _: Answer(status=429, headers={"Retry-After": "120"})
    (row,) = stored()
    before = timezone.now()
    woken(dispatcher, endpoint)
    wait_until(lambda: receiver.received and at_rest())
    row.refresh_from_db()
    endpoint.refresh_from_db()
    assert row.wake_at is not None
    assert endpoint.open_until is not None
    assert row.wake_at >= before + timedelta(seconds=120)
    assert endpoint.open_until >= before + timedelta(seconds=120)


def test_the_tenth_failure_ends_a_delivery(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    receiver.script = lambda _: Answer(status=500)
    stored()
    Delivery.objects.update(tries=9)
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    assert Delivery.objects.get().state == DeliveryState.FAILED


def test_the_beginning_of_an_answer_is_kept(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    body = b"no \0 " + "ä".encode() * 4000
    receiver.script = lambda _: Answer(status=400, body=body)
    stored()
    woken(dispatcher, endpoint)
    wait_until(lambda: receiver.received and at_rest())
    (attempt,) = Delivery.objects.get().attempts
    assert attempt["response_excerpt"].startswith("no \N{REPLACEMENT CHARACTER} ä")
    assert len(attempt["response_excerpt"].encode()) <= 1024


def test_both_secrets_sign_for_a_day_after_a_rotation(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    before = receiver.secret
    after = endpoints.rotate(endpoint, actor="shop")
    stored()
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    assert len(receiver.events) == 1, "the old secret verifies"
    receiver.secret = after
    stored()
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    assert len(receiver.events) == 2, "the new secret verifies"
    Endpoint.objects.update(previous_until=timezone.now())
    receiver.secret = before
    stored()
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    assert receiver.forged == 1


def test_an_endpoint_that_is_disabled_by_hand_gets_nothing(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    rows = stored(2)
    endpoints.change(endpoint, {"enabled": False}, actor="shop")
    subscriptions.forget()
    assert stored() == []
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    assert receiver.received == []
    for row in rows:
        row.refresh_from_db()
        assert (row.state, row.wake_at, row.attempts) == (DeliveryState.FAILED, None, [])


def test_what_was_stored_while_no_worker_ran_is_delivered_without_any_message(
    endpoint: Endpoint, receiver: WebhookReceiver
) -> None:
    stored(3)
    working = Dispatcher()
    working.start()
    wait_until(all_ended)
    working.stop()
    assert len(receiver.events) == 3


def test_a_worker_that_is_stopped_ends_its_calls_and_gives_the_rest_back(
    endpoint: Endpoint, receiver: WebhookReceiver
) -> None:
    receiver.latency = 0.2
    stored(100)
    working = Dispatcher()
    working.start()
    receiver.wait_for(5)
    working.stop()
    assert at_rest()
    delivered = Delivery.objects.filter(state="delivered").count()
    assert delivered == len(receiver.received)
    assert Delivery.objects.filter(state="pending", tries=0).count() == 100 - delivered


def test_a_lease_of_a_dead_worker_ends_and_the_event_is_sent_again(
    endpoint: Endpoint, receiver: WebhookReceiver, dispatcher: Dispatcher
) -> None:
    (row,) = stored()
    Delivery.objects.update(claim_id=row.pk, wake_at=timezone.now() + timedelta(seconds=1))
    woken(dispatcher, endpoint)
    wait_until(all_ended)
    assert len(receiver.events) == 1


def test_a_hanging_endpoint_holds_no_other_up(
    receiver: WebhookReceiver, dispatcher: Dispatcher, db: None
) -> None:
    with WebhookReceiver() as hanging:
        hanging.script = lambda _: Answer(hang=True)
        endpoint_of(hanging, client="slow")
        stored(300, client="slow")
        good = endpoint_of(receiver)
        dispatcher.wake(list(Endpoint.objects.values_list("pk", flat=True)))
        hanging.wait_for(16)
        rows = stored(100)
        woken(dispatcher, good)
        wait_until(
            lambda: Delivery.objects.filter(endpoint_id=good.pk, state="delivered").count() == 100
        )
        assert len(rows) == 100
        assert len(hanging.received) == 16, "one endpoint gets so many calls at a time"


@pytest.mark.parametrize("error", [InterfaceError("connection already closed"), KeyError("a bug")])
def test_no_error_of_a_look_ends_the_delivery(
    endpoint: Endpoint,
    receiver: WebhookReceiver,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    usual = claims.due_endpoints
    met: list[Exception] = []

    def fails_once() -> list[UUID]:
        if not met:
            met.append(error)
            raise error
        return usual()

    monkeypatch.setattr(claims, "due_endpoints", fails_once)
    monkeypatch.setattr(dispatching, "LOOK_SECONDS", 0.1)
    stored()
    working = Dispatcher()
    working.start()
    wait_until(all_ended)
    working.stop()
    assert met == [error]
    assert len(receiver.events) == 1
