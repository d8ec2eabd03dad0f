"""Webhooks: who is told what, whether they take it, and the log in words."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.desk.webhooks import feed, log, told, words
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Event
from apps.users.models import User
from apps.webhooks import event_types
from apps.webhooks.meanings import DISABLED
from apps.webhooks.models import Delivery, DeliveryState, DisabledReason, Endpoint
from apps.webhooks.schedule import TRIES_MAX
from tests.desk.conftest import Login
from tests.desk.webhook_rows import attempt, delivery, webhook
from tests.notifications.factories import accepted, row_with_status

LIST = "/admin/webhooks/"


@pytest.fixture
def viewer(login: Login) -> Client:
    return login("Viewer")


@pytest.fixture
def operator(login: Login) -> Client:
    return login("Operator")


def page_of(endpoint: Endpoint) -> str:
    return f"{LIST}{endpoint.pk}/"


def text(client: Client, address: str, query: dict[str, str] | None = None) -> str:
    """Return the words of a page, with single blanks."""
    answer = client.get(address, query or {})
    assert answer.status_code == 200
    page = answer.content.decode().split("</header>")[1]
    apart = re.sub(r"<(br|/?td|/?div|/?b)\b[^>]*>", " ", page)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", apart))


def listed(answer: Any) -> list[Any]:
    return [line.endpoint.pk for line in answer.context["feed"].lines]


def test_every_event_has_words() -> None:
    assert set(words.EVENTS) == {*event_types.EVENT_TYPES, event_types.TEST}


def test_the_list_says_who_gets_what_and_whether_they_take_it(viewer: Client) -> None:
    good, late = webhook(), webhook(client="bank", events=["*"], failing_since=timezone.now())
    delivery(good, attempt(204))
    delivery(late, attempt(None, error="timeout", duration_ms=15_000))

    page = text(viewer, LIST)

    assert "✓ Working hooks.example.com shop message delivered, message failed 204 after" in page
    assert "! Failing first failure just now" in page
    assert "everything no answer after 15.0 s It did not answer within 15 seconds." in page
    assert "2 webhooks" in page


def test_no_page_shows_a_secret_and_only_who_may_change_it_sees_the_url(
    viewer: Client, operator: Client
) -> None:
    endpoint = webhook(previous_secret="older", previous_until=timezone.now() + timedelta(hours=1))
    for client in (viewer, operator):
        for address in (LIST, page_of(endpoint)):
            page = client.get(address).content.decode()
            assert "whsec_" not in page
            assert endpoint.secret not in page
    assert "t0ken" not in viewer.get(page_of(endpoint)).content.decode()
    assert "t0ken" in operator.get(page_of(endpoint)).content.decode()
    assert "t0ken" not in operator.get(LIST).content.decode()
    assert "signs as well until" in text(viewer, page_of(endpoint))


@pytest.mark.parametrize("reason", list(DisabledReason))
def test_a_disabled_webhook_says_why(viewer: Client, reason: DisabledReason) -> None:
    endpoint = webhook(enabled=False, disabled_reason=reason, disabled_at=timezone.now())
    why = DISABLED[reason]

    assert f"{why} just now" in text(viewer, LIST)
    page = text(viewer, page_of(endpoint))
    assert f"Disabled just now. {why} It gets no events until it is enabled." in page


def test_filters_are_combined_and_kept_in_the_address(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAGE_SIZE", 1)
    now = timezone.now()
    failing = [webhook(failing_since=now), webhook(failing_since=now, kind="test")]
    working, other = webhook(), webhook(client="bank")
    disabled = webhook(enabled=False, disabled_reason="by_hand", disabled_at=now)
    webhook(deleted_at=now, enabled=False)

    first = viewer.get(LIST, {"client": "shop", "state": "failing"})
    older = viewer.get(f"{LIST}?{first.context['links']['older']}")

    assert listed(first) + listed(older) == [failing[1].pk, failing[0].pk]
    assert 'value="shop"' in older.content.decode()
    assert "2 webhooks" in first.content.decode()
    assert listed(viewer.get(LIST, {"state": "disabled"})) == [disabled.pk]
    assert listed(viewer.get(LIST, {"client": "bank"})) == [other.pk]
    assert listed(viewer.get(LIST, {"client": "shop", "state": "working"})) == [working.pk]
    assert listed(viewer.get(LIST, {"kind": "test"})) == [failing[1].pk]
    assert listed(viewer.get(LIST, {"state": "strange"})) == []
    assert "No webhook fits." in text(viewer, LIST, {"client": "nobody"})


def test_an_empty_list_says_how_to_register_one(viewer: Client) -> None:
    page = text(viewer, LIST)
    assert "webhooks:manage" in page
    assert "POST /api/v1/webhooks/" in page


def test_a_list_of_many_asks_a_constant_number_of_questions(
    viewer: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        delivery(webhook(), attempt(204))
    viewer.get(LIST)
    with django_assert_max_num_queries(12):
        assert all(line.last for line in viewer.get(LIST).context["feed"].lines)


@pytest.mark.django_db
def test_the_last_attempt_of_a_long_queue_is_that_of_what_waits_longest() -> None:
    endpoint = webhook(failing_since=timezone.now())
    delivery(endpoint, attempt(503), wake_at=timezone.now() + timedelta(hours=2))
    for _ in range(feed.LOOKED_AT + 1):
        delivery(endpoint)
    assert feed.last_attempts([endpoint])[endpoint.pk].said == "503 after 12 ms"


def test_a_webhook_of_which_one_call_failed_says_so(viewer: Client) -> None:
    endpoint = webhook(failing_since=timezone.now() - timedelta(minutes=2), failures=1)
    assert "Its last call failed, 2 min ago." in text(viewer, page_of(endpoint))


def test_a_failing_webhook_says_since_when_and_what_comes_next(viewer: Client) -> None:
    now = timezone.now()
    since = now - timedelta(hours=3)
    endpoint = webhook(
        failing_since=since, failures=7, open_until=now + timedelta(minutes=4, seconds=30)
    )
    delivery(endpoint, attempt(500, response_excerpt="<b>boom</b>"))

    page = text(viewer, page_of(endpoint))

    assert "Its last 7 calls failed, the first of them 3 h ago." in page
    assert "It is tried again in 4 min." in page
    assert "If that goes on, it is disabled " in page
    assert "500 after 12 ms. It failed while it worked on the event." in page
    assert "1 wait " in page
    shown = viewer.get(page_of(endpoint)).context["standing"]
    assert shown.disabled_on == since + timedelta(days=5)


def test_a_failing_webhook_without_events_is_tried_with_the_next(viewer: Client) -> None:
    endpoint = webhook(failing_since=timezone.now(), failures=7)
    assert "so it is tried with the next event." in text(viewer, page_of(endpoint))


def test_what_is_due_for_long_is_a_matter_of_the_worker(viewer: Client) -> None:
    endpoint = webhook()
    delivery(endpoint, wake_at=timezone.now() - timedelta(minutes=7))

    page = text(viewer, page_of(endpoint))

    assert "An event was due 7 min ago and was not sent." in page
    assert "Processes" in page


def test_what_others_wrote_is_escaped(viewer: Client) -> None:
    evil = "<script>alert(1)</script>"
    endpoint = webhook(description=evil, client=evil)
    row = delivery(endpoint, attempt(500, response_excerpt=evil))
    for address in (LIST, page_of(endpoint), f"{page_of(endpoint)}deliveries/{row.pk}/"):
        assert evil not in viewer.get(address).content.decode()
    assert "&lt;script&gt;" in viewer.get(page_of(endpoint)).content.decode()


def test_the_log_is_newest_first_by_state_and_page(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "PAGE_SIZE", 2)
    endpoint = webhook()
    taken = [delivery(endpoint, attempt(204)).pk for _ in range(3)]
    waiting = delivery(endpoint).pk
    given_up = delivery(endpoint, attempt(410), state="failed", wake_at=None).pk
    delivery(webhook(), attempt(204))

    def rows(query: str) -> list[Any]:
        lines = viewer.get(f"{page_of(endpoint)}{query}").context["feed"].lines
        return [line.delivery.pk for line in lines]

    first = viewer.get(page_of(endpoint))
    assert rows("") == [given_up, waiting]
    assert rows(f"?{first.context['links']['older']}") == [taken[2], taken[1]]
    assert rows("?state=delivered") == [taken[2], taken[1]]
    assert rows("?state=pending") == [waiting]
    assert rows("?state=failed") == [given_up]
    assert rows("?state=strange") == []


def test_a_delivery_links_its_message_and_shows_its_newest_attempts(
    viewer: Client, ada: User
) -> None:
    row = accepted(ada)
    endpoint = webhook()
    tries = [attempt(500 + n, response_excerpt=f"answer {n}") for n in range(5)]
    made = delivery(endpoint, *tries, notification_id=row.pk)

    page = viewer.get(page_of(endpoint)).content.decode()
    whole = viewer.get(f"{page_of(endpoint)}deliveries/{made.pk}/").content.decode()

    assert reverse("desk:message", args=[row.pk]) in page
    assert reverse("desk:message", args=[row.pk]) in whole
    assert ["answer 4" in page, "answer 2" in page, "answer 1" in page] == [True, True, False]
    assert "2 more" in page
    assert "5 attempts failed; it is tried again by itself." in page
    assert all(f"answer {n}" in whole for n in range(5))
    assert str(made.event_id) in whole


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"attempts": [attempt(204)], "tries": 1}, "The webhook took the event."),
        ({"state": "pending"}, "It waits to be sent."),
        ({"state": "pending", "claim_id": uuid4()}, "It is being sent now."),
        ({"state": "pending", "tries": 1}, "One attempt failed; it is tried again by itself."),
        ({"state": "failed", "tries": TRIES_MAX}, "10 attempts failed, and it is not tried again."),
        (
            {"state": "failed", "tries": 1, "attempts": [attempt(410)]},
            "It wants no more events, so it was disabled.",
        ),
        ({"state": "failed"}, "The webhook was disabled while the event waited."),
    ],
)
def test_a_delivery_says_what_became_of_it(changes: dict[str, Any], said: str) -> None:
    assert words.ending(Delivery(**{"state": DeliveryState.DELIVERED, **changes})) == said


def test_a_delivery_of_another_webhook_or_a_deleted_one_is_not_found(viewer: Client) -> None:
    endpoint, other = webhook(), webhook()
    gone = webhook(deleted_at=timezone.now(), enabled=False)
    row = delivery(other)
    for address in (
        f"{page_of(endpoint)}deliveries/{row.pk}/",
        page_of(gone),
        f"{LIST}{uuid4()}/",
    ):
        assert viewer.get(address).status_code == 404


def test_the_page_of_a_message_says_which_webhooks_were_told(viewer: Client, ada: User) -> None:
    row = row_with_status(ada, Status.DELIVERED)
    endpoint = webhook(client=row.client, kind=row.kind)
    Event.objects.create(notification_id=row.pk, status="delivered", at=timezone.now())
    made = delivery(endpoint, attempt(204), notification_id=row.pk)
    delivery(endpoint, attempt(204), notification_id=uuid4())
    delivery(webhook(client="bank"), attempt(204), notification_id=row.pk)

    answer = viewer.get(reverse("desk:message", args=[row.pk]))

    assert [one.delivery.pk for one in answer.context["told"]] == [made.pk]
    page = answer.content.decode()
    assert "Webhooks that were told" in page
    assert reverse("desk:webhook-delivery", args=[endpoint.pk, made.pk]) in page


def test_a_message_of_a_client_without_webhooks_says_nothing_of_them(
    viewer: Client, ada: User
) -> None:
    row = accepted(ada)
    webhook(client="bank")
    page = viewer.get(reverse("desk:message", args=[row.pk])).content.decode()
    assert "Webhooks that were told" not in page


def test_the_windows_around_a_timeline_are_merged_and_bounded() -> None:
    begin = timezone.now()
    close = told.windows([begin, begin + timedelta(seconds=2)])
    assert close == [(begin - told.BEFORE, begin + timedelta(seconds=2) + told.AFTER)]
    apart = told.windows([begin + timedelta(hours=n) for n in range(50)])
    assert sum((end - start for start, end in apart), timedelta(0)) == told.LOOKED_FOR
    dense = told.windows([begin + timedelta(seconds=n) for n in range(50)])
    assert sum((end - start for start, end in dense), timedelta(0)) == told.LOOKED_FOR
