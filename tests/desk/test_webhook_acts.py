"""What staff do with webhooks: after a question, with a line in the audit trail."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.desk.models import AuditEntry
from apps.users.models import User
from apps.webhooks import redelivery, signing, subscriptions
from apps.webhooks.models import Delivery, DeliveryState, Endpoint
from tests.desk.conftest import Login
from tests.desk.webhook_rows import SECRET, attempt, delivery, webhook

LIST = "/admin/webhooks/"
NAMES = ("test", "disable", "enable", "rotate", "delete")


@pytest.fixture(autouse=True)
def no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no other process to learn of a change."""
    monkeypatch.setattr(subscriptions, "SECONDS", 0.0)


@pytest.fixture
def operator(login: Login) -> Client:
    return login("Operator")


def page_of(endpoint: Endpoint) -> str:
    return f"{LIST}{endpoint.pk}/"


def ask(client: Client, endpoint: Endpoint, name: str) -> Any:
    return client.post(f"{page_of(endpoint)}act/{name}/")


def act(client: Client, endpoint: Endpoint, name: str, **form: str) -> Any:
    seen = ask(client, endpoint, name).context["seen"]
    sent = {"confirmed": "yes", "seen": seen, **form}
    return client.post(f"{page_of(endpoint)}act/{name}/", sent, follow=True)


def trail(endpoint: Endpoint) -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(object_type="webhook", object_id=str(endpoint.pk))
    return list(entries.order_by("pk").values_list("actor", "action"))


def test_a_test_event_is_sent(operator: Client) -> None:
    endpoint = webhook()

    page = act(operator, endpoint, "test").content.decode()

    row = Delivery.objects.get()
    assert (row.event, row.endpoint_id, row.state) == ("webhook.test", endpoint.pk, "pending")
    assert "A test event is on its way" in page
    assert "Operator sent a test event to it" in page
    assert f"event {row.event_id}" in page


def test_a_webhook_is_disabled_and_enabled_again(operator: Client) -> None:
    endpoint = webhook(failing_since=timezone.now(), failures=9)
    delivery(endpoint)
    operator_id = User.objects.get(email="operator@example.com").pk

    asked = ask(operator, endpoint, "disable").content.decode()
    assert "what waits for it fails" in asked
    assert "<td>1</td>" in asked
    assert Endpoint.objects.get().enabled
    page = act(operator, endpoint, "disable").content.decode()
    assert "The webhook gets no more events." in page
    row = Endpoint.objects.get()
    assert (row.enabled, row.disabled_reason) == (False, "by_hand")
    assert "Operator disabled it" in page

    act(operator, endpoint, "enable")
    row = Endpoint.objects.get()
    assert (row.enabled, row.disabled_reason, row.failures) == (True, "", 0)
    actor = f"staff:{operator_id}"
    assert trail(endpoint) == [(actor, "disabled"), (actor, "enabled")]


def test_a_new_secret_is_shown_once_and_nothing_keeps_it(operator: Client) -> None:
    endpoint = webhook()

    answer = act(operator, endpoint, "rotate")

    row = Endpoint.objects.get()
    new = signing.decrypted(row.secret)
    assert new != SECRET
    assert signing.decrypted(row.previous_secret) == SECRET
    assert new in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert answer.redirect_chain == []
    assert new not in operator.get(page_of(endpoint)).content.decode()
    assert not AuditEntry.objects.filter(detail__contains="whsec").exists()
    assert [action for _, action in trail(endpoint)] == ["rotated"]
    assert "Operator gave a new secret to it" in operator.get(page_of(endpoint)).content.decode()


def test_an_answer_that_is_sent_twice_makes_no_second_secret(operator: Client) -> None:
    endpoint = webhook()
    form = {"confirmed": "yes", "seen": ask(operator, endpoint, "rotate").context["seen"]}
    address = f"{page_of(endpoint)}act/rotate/"
    operator.post(address, form)
    first = Endpoint.objects.get().secret

    page = operator.post(address, form, follow=True).content.decode()

    assert Endpoint.objects.get().secret == first
    assert "was changed since you were asked" in page
    assert len(trail(endpoint)) == 1
    assert "would stop at once" in ask(operator, endpoint, "rotate").content.decode()


def test_a_webhook_is_deleted(operator: Client) -> None:
    endpoint, other = webhook(), webhook(client="bank")
    delivery(endpoint)

    asked = ask(operator, endpoint, "delete").content.decode()
    page = act(operator, endpoint, "delete")

    assert "This cannot be undone or stopped" in asked
    assert page.redirect_chain == [(LIST, 302)]
    assert "The webhook was deleted." in page.content.decode()
    assert [line.endpoint.pk for line in page.context["feed"].lines] == [other.pk]
    row = Endpoint.objects.get(pk=endpoint.pk)
    assert (row.enabled, row.secret, row.deleted_at is None) == (False, "", False)
    assert [action for _, action in trail(endpoint)] == ["deleted"]
    assert operator.get(page_of(endpoint)).status_code == 404


def test_an_act_that_its_state_does_not_allow_is_refused(operator: Client) -> None:
    endpoint = webhook(enabled=False, disabled_reason="gone", disabled_at=timezone.now())

    asked = ask(operator, endpoint, "test").content.decode()
    page = act(operator, endpoint, "test").content.decode()

    assert "That is not possible now" in asked
    assert "was changed since you were asked" in page
    assert not Delivery.objects.exists()
    assert trail(endpoint) == []


def test_one_event_is_delivered_again(operator: Client) -> None:
    endpoint = webhook()
    row = delivery(endpoint, attempt(204))
    address = f"{page_of(endpoint)}deliveries/{row.pk}/again/"

    asked = operator.post(address).content.decode()
    assert "with the same id" in asked
    assert Delivery.objects.get().state == DeliveryState.DELIVERED
    page = operator.post(address, {"confirmed": "yes"}, follow=True).content.decode()

    again = Delivery.objects.get()
    assert (again.state, again.tries, again.event_id) == ("pending", 0, row.event_id)
    assert again.wake_at is not None
    assert "The event is delivered again." in page
    assert [action for _, action in trail(endpoint)] == ["redelivered"]


def test_nothing_is_delivered_again_to_a_disabled_webhook(operator: Client) -> None:
    endpoint = webhook(enabled=False, disabled_reason="gone", disabled_at=timezone.now())
    row = delivery(endpoint, attempt(204))
    page = operator.post(
        f"{page_of(endpoint)}deliveries/{row.pk}/again/", {"confirmed": "yes"}, follow=True
    ).content.decode()
    assert "This webhook is disabled. Enable it first." in page
    assert Delivery.objects.get().state == DeliveryState.DELIVERED
    assert trail(endpoint) == []
    window = f"{page_of(endpoint)}window/"
    assert "Enable it first." in operator.get(window).content.decode()
    page = operator.post(window, window_form(state=""), follow=True).content.decode()
    assert "This webhook is disabled. Enable it first." in page
    assert trail(endpoint) == []


def window_form(**changes: str) -> dict[str, str]:
    now = timezone.localtime(timezone.now())
    return {
        "since": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}",
        "until": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M}",
        "state": "failed",
        **changes,
    }


def test_a_window_is_counted_and_then_delivered_again(operator: Client) -> None:
    endpoint = webhook()
    given_up = [delivery(endpoint, attempt(500), state="failed", wake_at=None) for _ in range(2)]
    delivery(endpoint, attempt(204))
    delivery(webhook(), attempt(500), state="failed", wake_at=None)
    address = f"{page_of(endpoint)}window/"

    first = operator.get(address).content.decode()
    counted = operator.get(address, {"count": "yes", **window_form()})
    page = operator.post(address, window_form(), follow=True).content.decode()

    assert "Count" in first
    assert counted.context["count"] == 2
    assert "up to 16 calls at a time" in counted.content.decode()
    assert "2 deliveries begin again." in page
    pending = Delivery.objects.filter(state="pending").order_by("pk")
    assert [row.pk for row in pending] == [row.pk for row in given_up]
    (entry,) = AuditEntry.objects.filter(object_type="webhook")
    assert entry.action == "redelivered"
    assert entry.detail.startswith("2: failed, ")


def test_a_window_that_has_nothing_or_too_much_or_no_end_says_so(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = webhook()
    address = f"{page_of(endpoint)}window/"
    count = {"count": "yes"}

    nothing = operator.get(address, count | window_form()).content.decode()
    for _ in range(3):
        delivery(endpoint, attempt(204))
    monkeypatch.setattr(redelivery, "WINDOW_ROWS_MAX", 2)
    much = operator.get(address, count | window_form(state="")).content.decode()
    posted = operator.post(address, window_form(state=""), follow=True).content.decode()
    form = window_form()
    wrong = operator.get(address, count | form | {"until": form["since"]}).content.decode()

    assert "Nothing of that kind is in this time." in nothing
    assert "more than 2 deliveries" in much
    assert "more than 2 deliveries" in posted
    assert "The end must be after the begin." in wrong
    assert not Delivery.objects.filter(state="pending").exists()
    assert not AuditEntry.objects.exists()


def test_only_who_may_change_or_delete_a_webhook_does(login: Login) -> None:
    endpoint = webhook()
    row = delivery(endpoint, attempt(204))
    for role in ("Viewer", "Template editor"):
        client = login(role)
        form = {"confirmed": "yes", "seen": str(endpoint.updated_at.timestamp())}
        for name in NAMES:
            address = f"{page_of(endpoint)}act/{name}/"
            assert client.post(address, form).status_code == 403
        again = f"{page_of(endpoint)}deliveries/{row.pk}/again/"
        assert client.post(again, form).status_code == 403
        assert client.get(f"{page_of(endpoint)}window/").status_code == 403
        assert client.post(f"{page_of(endpoint)}window/", window_form()).status_code == 403
        assert client.get(page_of(endpoint)).status_code == 200
    assert Endpoint.objects.get().secret == endpoint.secret
    assert trail(endpoint) == []


def test_an_act_that_does_not_exist_is_not_found(operator: Client) -> None:
    assert operator.post(f"{page_of(webhook())}act/explode/").status_code == 404
    assert operator.get(f"{page_of(webhook())}act/delete/").status_code == 405


def test_the_trail_leads_to_the_webhook(operator: Client) -> None:
    endpoint = webhook()
    act(operator, endpoint, "rotate")
    page = operator.get("/admin/audit/").content.decode()
    assert "gave a new secret to" in page
    assert f'<a href="{page_of(endpoint)}">webhook</a>' in page
