"""Registering, changing and reading webhooks over HTTP."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.desk.models import AuditEntry
from apps.users import tokens
from apps.users.models import User
from apps.webhooks import addresses, endpoints, redelivery, retention, signing
from apps.webhooks.models import Delivery, Endpoint
from tests.notifications.factories import client_with
from tests.notifications.problems import assert_problem
from tests.webhooks.factories import stored

pytestmark = pytest.mark.django_db
URL = "/api/v1/webhooks/"
NEW: dict[str, Any] = {"url": "https://example.com/hook", "events": ["notification.delivered"]}


def registered(client: APIClient, **changes: Any) -> dict[str, Any]:
    answer = client.post(URL, {**NEW, **changes}, format="json")
    assert answer.status_code == 201, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def test_a_webhook_is_registered_and_its_secret_is_shown_once(shop: APIClient) -> None:
    made = registered(shop, description="the shop")
    assert made["secret"].startswith("whsec_")
    assert (made["enabled"], made["kind"], made["description"]) == (True, "live", "the shop")
    one = shop.get(f"{URL}{made['id']}").json()
    listed = shop.get(URL).json()["results"]
    assert "secret" not in one
    assert listed == [one]
    assert one == {name: value for name, value in made.items() if name != "secret"}
    stored_secret = Endpoint.objects.get().secret
    assert made["secret"] not in stored_secret
    assert signing.decrypted(stored_secret) == made["secret"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"url": "http//x"}, "/url"),
        ({"url": 7}, "/url"),
        ({"url": "https://user:secret@example.com/"}, "/url"),
        ({"events": []}, "/events"),
        ({"events": ["notification.unknown"]}, "/events/0"),
        ({"events": ["webhook.test"]}, "/events/0"),
        ({"events": "notification.sent"}, "/events"),
        ({"secret": "whsec_mine"}, "/secret"),
        ({"description": "x" * 501}, "/description"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    shop: APIClient, change: dict[str, Any], pointer: str
) -> None:
    answer = shop.post(URL, {**NEW, **change}, format="json")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://localhost/",
    ],
)
def test_a_private_or_plain_address_is_refused(
    shop: APIClient, settings: Settings, url: str
) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    answer = shop.post(URL, {**NEW, "url": url}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/url"
    assert not Endpoint.objects.exists()


def test_a_name_that_leads_into_a_private_network_is_refused(
    shop: APIClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    found = [addresses.FoundAddress(address="10.0.0.1", family=2, protocol=6)]
    monkeypatch.setattr(addresses, "look_up", lambda *_: found)
    answer = shop.post(URL, {**NEW, "url": "https://inside.example.com/"}, format="json")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "address_not_allowed"
    assert not Endpoint.objects.exists()


def test_events_of_operators_need_the_scope_operations(shop: APIClient) -> None:
    plain = client_with(Scope.WEBHOOKS_MANAGE)
    answer = plain.post(URL, {**NEW, "events": ["operations.notice"]}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/events/0"
    assert registered(shop, events=["operations.notice"])["events"] == ["operations.notice"]


def test_an_event_that_needs_a_scope_is_named_by_its_place_in_the_request(shop: APIClient) -> None:
    plain = client_with(Scope.WEBHOOKS_MANAGE)
    events = ["notification.failed", "operations.notice", "notification.accepted"]
    problem = assert_problem(plain.post(URL, {**NEW, "events": events}, format="json"), 400)

    assert [error["pointer"] for error in problem["errors"]] == ["/events/1"]


def test_repeated_events_count_for_the_limit_and_are_kept_once(shop: APIClient) -> None:
    assert registered(shop, events=["*"] * 15)["events"] == ["*"]
    problem = assert_problem(shop.post(URL, {**NEW, "events": ["*"] * 16}, format="json"), 400)

    assert [error["pointer"] for error in problem["errors"]] == ["/events"]


def test_a_repeated_call_with_its_key_registers_once(shop: APIClient) -> None:
    first = shop.post(URL, NEW, format="json", HTTP_IDEMPOTENCY_KEY="k-1")
    second = shop.post(URL, NEW, format="json", HTTP_IDEMPOTENCY_KEY='"k-1"')
    assert second.status_code == 201
    assert second.json() == first.json()
    assert second["Idempotency-Replayed"] == "true"
    other = {**NEW, "url": "https://example.com/other"}
    third = shop.post(URL, other, format="json", HTTP_IDEMPOTENCY_KEY="k-1")
    assert third.status_code == 422
    assert Endpoint.objects.count() == 1


def test_a_webhook_is_changed_disabled_and_enabled(shop: APIClient) -> None:
    made = registered(shop)
    place = f"{URL}{made['id']}"
    changed = shop.patch(place, {"events": ["*"], "url": "https://example.com/b"}, format="json")
    assert changed.status_code == 200
    assert (changed.json()["events"], changed.json()["url"]) == (["*"], "https://example.com/b")
    disabled = shop.patch(place, {"enabled": False}, format="json").json()
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "by_hand")
    assert disabled["disabled_at"] is not None
    Endpoint.objects.update(failures=50, failing_since=timezone.now(), open_until=timezone.now())
    enabled = shop.patch(place, {"enabled": True}, format="json").json()
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    assert enabled["failing_since"] is None
    assert shop.patch(place, {"enabled": "yes"}, format="json").status_code == 400
    assert shop.patch(place, {"kind": "test"}, format="json").status_code == 400


def test_a_deleted_webhook_is_gone_and_gets_nothing(shop: APIClient) -> None:
    made = registered(shop)
    assert shop.delete(f"{URL}{made['id']}").status_code == 204
    assert shop.get(f"{URL}{made['id']}").status_code == 404
    assert shop.get(URL).json()["results"] == []
    assert stored(type="notification.delivered") == []
    Endpoint.objects.update(deleted_at=timezone.now() - timedelta(hours=1))
    retention.purge_step(lambda _: timezone.now() - timedelta(days=90))
    assert not Endpoint.objects.exists()


def test_other_clients_and_the_other_kind_see_nothing(shop: APIClient) -> None:
    made = registered(shop)
    place = f"{URL}{made['id']}"
    strangers = [
        client_with(Scope.WEBHOOKS_MANAGE, client="other"),
        client_with(Scope.WEBHOOKS_MANAGE, kind=Kind.TEST),
        client_with(client="other", kind=Kind.TEST),
    ]
    for stranger in strangers:
        assert stranger.get(URL).json()["results"] == []
        for method, path in [
            ("get", place),
            ("patch", place),
            ("delete", place),
            ("post", f"{place}/rotate-secret"),
            ("post", f"{place}/test"),
            ("get", f"{place}/deliveries/"),
            ("post", f"{place}/redeliver"),
            ("post", f"{place}/deliveries/{uuid4()}/redeliver"),
        ]:
            answer = getattr(stranger, method)(path, {}, format="json")
            assert answer.status_code == 404, (method, path)
    assert Endpoint.objects.get().deleted_at is None


def test_the_scope_is_needed_and_nobody_else_gets_in(
    shop: APIClient, alice: User, charlie: User
) -> None:
    made = registered(shop)
    others = client_with(*(scope for scope in Scope if scope != Scope.WEBHOOKS_MANAGE))
    assert others.get(URL).status_code == 403
    assert others.post(URL, NEW, format="json").status_code == 403
    assert APIClient().get(URL).status_code == 401
    user, staff = APIClient(), APIClient()
    user.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(alice).access}")
    staff.force_login(charlie)
    assert user.get(f"{URL}{made['id']}").status_code == 403
    assert staff.get(f"{URL}{made['id']}").status_code == 200


def test_what_is_done_to_a_webhook_is_in_the_trail(shop: APIClient) -> None:
    made = registered(shop)
    place = f"{URL}{made['id']}"
    row = shop.post(f"{place}/test").json()
    shop.post(f"{place}/deliveries/{row['id']}/redeliver")
    Delivery.objects.update(state="failed", wake_at=None)
    window = {"since": "2026-01-01T00:00:00Z", "until": "2126-01-01T00:00:00Z", "state": "failed"}
    assert shop.post(f"{place}/redeliver", window, format="json").json() == {"count": 1}
    shop.patch(place, {"enabled": False}, format="json")
    shop.post(f"{place}/rotate-secret")
    shop.delete(place)
    trail = AuditEntry.objects.filter(object_type="webhook").order_by("pk")
    assert list(trail.values_list("action", flat=True)) == [
        "added",
        "test_sent",
        "redelivered",
        "redelivered",
        "disabled",
        "rotated",
        "deleted",
    ]
    assert {entry.object_id for entry in trail} == {made["id"]}


def test_a_rotation_shows_a_new_secret_and_how_long_the_old_one_signs(shop: APIClient) -> None:
    made = registered(shop)
    before = timezone.now()
    answer = shop.post(f"{URL}{made['id']}/rotate-secret")
    assert answer.status_code == 200
    assert answer.json()["secret"] not in {made["secret"], ""}
    endpoint = Endpoint.objects.get()
    assert endpoint.previous_until is not None
    assert endpoint.previous_until >= before + timedelta(hours=24)
    assert signing.decrypted(endpoint.previous_secret) == made["secret"]


def test_there_is_a_limit_on_webhooks(shop: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "ENDPOINTS_MAX", 1)
    registered(shop)
    answer = shop.post(URL, NEW, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


def test_a_test_event_is_sent_on_request(shop: APIClient) -> None:
    made = registered(shop)
    answer = shop.post(f"{URL}{made['id']}/test")
    assert answer.status_code == 202
    assert (answer.json()["event"], answer.json()["state"]) == ("webhook.test", "pending")
    assert Delivery.objects.get().data == {"webhook_id": made["id"]}
    shop.patch(f"{URL}{made['id']}", {"enabled": False}, format="json")
    refused = shop.post(f"{URL}{made['id']}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")


def test_the_log_shows_attempts_and_is_filtered_by_state(shop: APIClient) -> None:
    made = registered(shop)
    first, second, third = stored(3, type="notification.delivered")
    attempt = {
        "at": "2026-11-29T12:00:01.204Z",
        "status_code": 500,
        "duration_ms": 4,
        "error": None,
        "response_excerpt": "no",
    }
    Delivery.objects.filter(pk=first.pk).update(state="failed", wake_at=None, attempts=[attempt])
    Delivery.objects.filter(pk=second.pk).update(state="delivered", wake_at=None)
    place = f"{URL}{made['id']}/deliveries/"
    everything = shop.get(place).json()["results"]
    assert [row["id"] for row in everything] == [str(row.pk) for row in (third, second, first)]
    (failed,) = shop.get(f"{place}?state=failed").json()["results"]
    assert failed["attempts"] == [attempt]
    assert failed["next_attempt_at"] is None
    (pending,) = shop.get(f"{place}?state=pending").json()["results"]
    assert pending["next_attempt_at"] is not None
    assert shop.get(f"{place}?state=lost").status_code == 400


def test_one_delivery_is_delivered_again(shop: APIClient) -> None:
    made = registered(shop)
    (row,) = stored(type="notification.delivered")
    Delivery.objects.update(state="failed", wake_at=None, tries=10)
    place = f"{URL}{made['id']}/deliveries/{row.pk}/redeliver"
    answer = shop.post(place)
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    row.refresh_from_db()
    assert (row.tries, row.event_id) == (0, row.event_id)
    assert row.wake_at is not None
    shop.patch(f"{URL}{made['id']}", {"enabled": False}, format="json")
    assert shop.post(place).status_code == 409
    assert shop.post(f"{URL}{made['id']}/deliveries/{uuid4()}/redeliver").status_code == 404


def test_a_window_is_delivered_again(shop: APIClient) -> None:
    made = registered(shop)
    begin = timezone.now()
    rows = stored(4, type="notification.delivered")
    states = ["failed", "delivered", "failed", "pending"]
    for row, state in zip(rows, states, strict=True):
        ended = {} if state == "pending" else {"wake_at": None, "tries": 3}
        Delivery.objects.filter(pk=row.pk).update(state=state, **ended)
    place = f"{URL}{made['id']}/redeliver"
    window = {
        "since": (begin - timedelta(seconds=1)).isoformat(),
        "until": (timezone.now() + timedelta(seconds=1)).isoformat(),
    }
    failed = shop.post(place, {**window, "state": "failed"}, format="json")
    assert (failed.status_code, failed.json()) == (202, {"count": 2})
    assert Delivery.objects.filter(state="pending", tries=0).count() == 3
    Delivery.objects.update(state="delivered", wake_at=None)
    assert shop.post(place, window, format="json").json() == {"count": 4}
    backwards = {"since": window["until"], "until": window["since"]}
    assert shop.post(place, backwards, format="json").status_code == 400
    assert shop.post(place, {"since": "yesterday"}, format="json").status_code == 400


def test_a_window_may_not_have_too_many(shop: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redelivery, "WINDOW_ROWS_MAX", 1)
    made = registered(shop)
    stored(2, type="notification.delivered")
    Delivery.objects.update(state="failed", wake_at=None)
    window = {"since": "2020-01-01T00:00:00Z", "until": "2050-01-01T00:00:00Z"}
    answer = shop.post(f"{URL}{made['id']}/redeliver", window, format="json")
    assert answer.status_code == 422
    assert Delivery.objects.filter(state="failed").count() == 2


def test_old_deliveries_are_purged_with_the_notifications_of_their_client(
    shop: APIClient,
) -> None:
    registered(shop)
    stored(3, type="notification.delivered")
    Delivery.objects.update(state="delivered", wake_at=None)
    now = timezone.now()
    assert retention.purge_step(lambda _: now - timedelta(days=90)) == 0
    assert retention.purge_step(lambda _: now + timedelta(minutes=1)) == 3


def test_both_spellings_of_each_path_work(shop: APIClient) -> None:
    made = registered(shop)
    for path in (URL, URL.rstrip("/"), f"{URL}{made['id']}", f"{URL}{made['id']}/"):
        assert shop.get(path).status_code == 200
