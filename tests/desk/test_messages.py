"""Messages: found by anything, read by those who may, replayed and cancelled after a question."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.desk.models import AuditEntry
from apps.notifications.feedback.events import ReceiptEvent
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Event, Notice, Notification
from apps.notifications.notices import telling
from apps.notifications.notices.conditions import Condition
from apps.users import contacts
from apps.users.models import User
from tests.desk.conftest import Login
from tests.notifications.factories import accepted, person, row_with_status, template

FEED = "/admin/messages/"


@pytest.fixture
def operator(login: Login) -> Client:
    return login("Operator")


def page_of(row: Notification) -> str:
    return f"{FEED}{row.pk}/"


def shown(answer: Any) -> list[Any]:
    return [line.row.pk for line in answer.context["feed"].lines]


def act(client: Client, name: str, *rows: Notification, confirmed: bool = True) -> Any:
    form = {"chosen": [str(row.pk) for row in rows], "back": FEED}
    if confirmed:
        form["confirmed"] = "yes"
    return client.post(f"{FEED}act/{name}/", form, follow=True)


def test_the_feed_says_who_got_what(operator: Client, ada: User) -> None:
    row = row_with_status(ada, Status.SENT)
    Attempt.objects.create(
        notification=row,
        number=1,
        provider="smtp",
        outcome=Outcome.ACCEPTED,
        started_at=row.created_at,
        duration_ms=12,
    )

    page = operator.get(FEED).content.decode()

    assert "Ada" in page
    assert "ada@example.com" in page
    assert "Welcome, Ada" in page
    assert "smtp" in page
    assert "Sent" in page


@pytest.mark.parametrize("term", ["ADA@example.com", "ada", "{user_id}", "{pk}", "order-7"])
def test_a_message_is_found_by_anything(operator: Client, ada: User, term: str) -> None:
    row = accepted(ada, request_id="order-7")
    accepted(person("bob"))

    term = term.format(user_id=ada.pk, pk=row.pk)

    assert shown(operator.get(FEED, {"q": term})) == [row.pk]


def test_filters_are_combined_and_kept_in_the_address(
    operator: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.desk.messages.feed.PAGE_SIZE", 2)
    mails = [row_with_status(ada, Status.FAILED, reason="rejected") for _ in range(3)]
    row_with_status(ada, Status.SENT)
    accepted(ada, notification_type="push")
    filters = {"status": "failed", "channel": "email", "period": "hour", "user_id": str(ada.pk)}

    first = operator.get(FEED, filters)
    older = operator.get(f"{FEED}?{first.context['links']['older']}")
    newer = operator.get(f"{FEED}?{older.context['links']['newer']}")

    assert shown(first) == [mails[2].pk, mails[1].pk]
    assert shown(older) == [mails[0].pk]
    assert shown(newer) == shown(first)
    assert 'value="failed" selected' in older.content.decode()


def test_an_id_that_is_none_finds_nothing(operator: Client, ada: User) -> None:
    accepted(ada)

    answer = operator.get(FEED, {"user_id": "nobody"})

    assert shown(answer) == []
    assert "No message fits." in answer.content.decode()


def test_the_page_shows_the_content_as_sent_and_that_it_was_read(
    operator: Client, ada: User
) -> None:
    html = "<style>p { color: red }</style><p>Hello {{ name }}, {{ unsubscribe_url }}</p>"
    template("news", content={"subject": "News for {{ name }}", "body": "Text", "html": html})
    row = accepted(ada, template_code="news")

    page = operator.get(page_of(row)).content.decode()
    frame = operator.get(f"{page_of(row)}html/")

    assert "News for Ada" in page
    assert (
        '<p style="color: red;">Hello Ada, https://unsubscribe.invalid/' in frame.content.decode()
    )
    assert "sandbox" in frame["Content-Security-Policy"]
    assert "https:" not in frame["Content-Security-Policy"]
    (entry,) = AuditEntry.objects.all()
    assert (entry.action, entry.object_id) == ("content_read", str(row.pk))


def test_the_html_alone_is_a_reading_as_well(operator: Client, ada: User) -> None:
    template("news", content={"subject": "News", "body": "Text", "html": "<p>{{ name }}</p>"})
    row = accepted(ada, template_code="news")

    operator.get(f"{page_of(row)}html/")

    assert AuditEntry.objects.get().object_id == str(row.pk)


def test_a_viewer_sees_that_something_was_sent_and_not_what(login: Login, ada: User) -> None:
    viewer = login("Viewer")
    row = accepted(ada)

    feed = viewer.get(FEED).content.decode()
    page = viewer.get(page_of(row)).content.decode()

    assert "Welcome, Ada" not in feed + page
    assert "Your role does not read the content" in page
    assert viewer.get(f"{page_of(row)}html/").status_code == 403
    assert not AuditEntry.objects.exists()


def test_what_a_sensitive_template_said_is_not_kept(operator: Client, ada: User) -> None:
    template("code", sensitive=True, content={"subject": "Code {{ code }}", "body": "{{ code }}"})
    row = accepted(ada, template_code="code", variables={"code": "731845"})

    text = operator.get(FEED).content.decode() + operator.get(page_of(row)).content.decode()

    assert "731845" not in text
    assert "The template is sensitive" in text


def test_an_erased_person_leaves_a_message_without_content(operator: Client, ada: User) -> None:
    row = row_with_status(ada, Status.SENT)
    with transaction.atomic():
        contacts.erase(ada.pk)

    page = operator.get(page_of(row)).content.decode()

    assert "The recipient&#x27;s account was erased" in page
    assert "ada@example.com" not in page


def test_the_page_says_what_happened_and_what_to_do(operator: Client, ada: User) -> None:
    row = row_with_status(ada, Status.SKIPPED, reason="suppressed")
    Event.objects.create(notification=row, status="skipped", detail="the address is on the list")

    page = operator.get(page_of(row)).content.decode()

    assert "Ada was sent nothing. The address is on the suppression list." in page
    assert "Take it off the list only if the recipient says" in page
    assert "Not sent" in page


def test_a_push_is_shown_as_phones_show_it(operator: Client, ada: User) -> None:
    page = operator.get(page_of(accepted(ada, notification_type="push"))).content.decode()

    assert "As iOS shows it" in page
    assert "Parcel 7" in page


def test_an_act_asks_first_and_does_nothing_until_the_answer(operator: Client, ada: User) -> None:
    failed = [row_with_status(ada, Status.FAILED, reason="rejected") for _ in range(2)]
    sent = row_with_status(ada, Status.SENT)

    question = act(operator, "replay", *failed, sent, confirmed=False).content.decode()

    assert "Replay 2 messages?" in question
    assert "1 more is left as it is" in question
    assert Notification.objects.count() == 3


def test_a_replay_makes_new_messages_and_is_in_the_audit_trail(operator: Client, ada: User) -> None:
    failed = [row_with_status(ada, Status.FAILED, reason="rejected") for _ in range(2)]

    page = act(operator, "replay", *failed).content.decode()

    assert "2 replayed." in page
    copies = Notification.objects.filter(replay_of__in=[row.pk for row in failed])
    assert copies.count() == 2
    trail = AuditEntry.objects.filter(action="replayed")
    assert {entry.object_id for entry in trail} == {str(row.pk) for row in failed}


def test_a_replay_of_a_doubtful_mail_says_that_it_may_arrive_twice(
    operator: Client, ada: User
) -> None:
    row = row_with_status(ada, Status.FAILED, reason="unknown_outcome")

    question = act(operator, "replay", row, confirmed=False).content.decode()

    assert "1 of them may have arrived" in question


def test_refusals_are_one_line(operator: Client, ada: User) -> None:
    rows = [row_with_status(ada, Status.SENT) for _ in range(5)]

    page = act(operator, "cancel", *rows)

    assert len(page.context["messages"]) == 1
    assert "5 not: " in page.content.decode()


def test_a_cancelled_message_is_not_sent(operator: Client, ada: User) -> None:
    row = accepted(ada)

    act(operator, "cancel", row)

    row.refresh_from_db()
    assert row.status == Status.CANCELLED


def test_staff_send_themselves_a_copy(operator: Client, ada: User) -> None:
    row = accepted(ada)

    act(operator, "copy", row)

    copy = Notification.objects.exclude(pk=row.pk).get()
    assert copy.user_id == User.objects.get(email="operator@example.com").pk
    assert copy.variables == row.variables
    assert copy.client.startswith("staff:")


@pytest.mark.parametrize("name", ["replay", "cancel", "copy"])
def test_a_viewer_may_do_nothing(login: Login, ada: User, name: str) -> None:
    row = row_with_status(ada, Status.FAILED, reason="rejected")

    assert act(login("Viewer"), name, row).status_code == 403
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("chosen", [[], ["x"], ["0" * 36]])
def test_a_choice_that_is_none_is_refused(operator: Client, ada: User, chosen: list[str]) -> None:
    answer = operator.post(f"{FEED}act/cancel/", {"chosen": chosen, "confirmed": "yes"})

    assert answer.status_code == 400


def test_the_way_back_leads_nowhere_else(operator: Client, ada: User) -> None:
    form = {"chosen": str(accepted(ada).pk), "confirmed": "yes", "back": "https://evil.example/"}

    answer = operator.post(f"{FEED}act/cancel/", form)

    assert answer["Location"] == reverse("desk:messages")


def test_every_report_about_a_message_is_said_in_words(login: Login, ada: User) -> None:
    row = row_with_status(ada, Status.SENT)
    for event in ReceiptEvent:
        row.receipts.create(provider="dsn", event=event, occurred_at=row.created_at)

    page = login("Viewer").get(f"/admin/messages/{row.pk}/").content.decode()

    assert page.count("A mail server") == len(ReceiptEvent)
    assert "reported: " not in page
    assert "soft_bounced" not in page


def test_a_mail_to_operators_is_read_by_staff_and_belongs_to_nobody(
    operator: Client, login: Login, settings: Any
) -> None:
    settings.OPERATOR_EMAILS = ["ops@example.com"]
    notice = Notice.objects.create(
        condition=Condition.OVERDUE, facts={"seconds": 75}, since=timezone.now(), calm_seconds=300
    )
    telling.told(notice)
    row = Notification.objects.get()

    page = operator.get(page_of(row)).content.decode()

    assert "an operator of this installation" in page
    assert "Made by the system, for its operators" in page
    assert "A message that is due has waited for 75 seconds." in page
    assert "o***@example.com, of OPERATOR_EMAILS" in page
    assert "Replay…" not in page
    assert "Send to me…" not in page
    feed = operator.get(FEED).content.decode()
    assert "Messages are overdue" in feed
    assert "operators" in feed
    assert "has waited for 75" not in login("Viewer").get(page_of(row)).content.decode()
