"""Dead letters: what failed and what was said, replayed or discarded after a question."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.desk.models import AuditEntry
from apps.notifications.models import Attempt, DeadLetter, Notification
from apps.users.models import User
from tests.desk.conftest import Login
from tests.notifications.dead_letters.letters import audit_trail, dead_letter, poison
from tests.notifications.factories import TEST_CALLER, accepted, template

LIST = "/admin/dead-letters/"


@pytest.fixture
def operator(login: Login) -> Client:
    return login("Operator")


def page_of(letter: DeadLetter) -> str:
    return f"{LIST}{letter.pk}/"


def shown(answer: Any) -> list[Any]:
    return [line.letter.pk for line in answer.context["feed"].lines]


def act(client: Client, name: str, *letters: DeadLetter, **form: str) -> Any:
    chosen = [str(letter.pk) for letter in letters]
    return client.post(f"{LIST}act/{name}/", {"chosen": chosen, "back": LIST, **form}, follow=True)


def test_the_list_says_what_failed_for_whom(operator: Client, ada: User) -> None:
    letter = dead_letter(ada)

    page = operator.get(LIST).content.decode()

    assert "Every attempt failed, and there are none left." in page
    assert "ada@example.com" in page
    assert "Welcome, Ada" in page
    assert page_of(letter) in page
    assert "1 dead letter" in page
    assert "attempts_exhausted</" not in page


def test_the_list_begins_with_open_ones_and_keeps_its_filters(
    operator: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.desk.letters.feed.PAGE_SIZE", 2)
    template("news")
    refused = [dead_letter(ada, reason="rejected") for _ in range(3)]
    other = dead_letter(ada, caller=TEST_CALLER)
    settled = dead_letter(ada, reason="rejected")
    DeadLetter.objects.filter(pk=settled.pk).update(state="discarded")

    everything = operator.get(LIST)
    first = operator.get(LIST, {"reason": "rejected", "provider": "smtp", "channel": "email"})
    older = operator.get(f"{LIST}?{first.context['links']['older']}")

    assert shown(everything) == [other.pk, refused[2].pk]
    assert shown(first) == [refused[2].pk, refused[1].pk]
    assert shown(older) == [refused[0].pk]
    assert 'value="rejected" selected' in older.content.decode()
    assert shown(operator.get(LIST, {"state": "discarded"})) == [settled.pk]
    assert shown(operator.get(LIST, {"template_code": "news"})) == []


def test_an_empty_list_says_why(operator: Client) -> None:
    assert "nothing has failed for good" in operator.get(LIST).content.decode()
    assert "No dead letter fits." in operator.get(LIST, {"channel": "push"}).content.decode()


def test_a_viewer_who_may_not_read_content_sees_no_headline(login: Login, ada: User) -> None:
    dead_letter(ada)

    page = login("Viewer").get(LIST).content.decode()

    assert "Welcome, Ada" not in page
    assert "Replay many" not in page
    assert "Discard…" not in page


def test_the_page_says_what_failed_what_was_said_and_what_to_do(
    operator: Client, ada: User
) -> None:
    letter = dead_letter(ada)
    Attempt.objects.update(detail="mailbox of nobody")

    page = operator.get(page_of(letter)).content.decode()

    assert "The mail could not be sent. Every attempt failed" in page
    assert "What to do:" in page
    assert "What smtp said last:" in page
    assert "554 mailbox of nobody" in page
    assert reverse("desk:message", args=[letter.notification_id]) in page
    assert reverse("desk:person", args=[ada.pk]) in page
    assert "Nobody has decided on it yet." in page


def test_a_replay_asks_how_many_may_have_arrived_and_does_nothing_before(
    operator: Client, ada: User
) -> None:
    letters = [dead_letter(ada), dead_letter(ada, reason="unknown_outcome")]

    question = act(operator, "replay", *letters).content.decode()

    assert "Replay 2 dead letters?" in question
    assert "1 may have arrived" in question
    assert Notification.objects.count() == 2


def test_a_replay_makes_new_messages_and_is_in_both_trails(operator: Client, ada: User) -> None:
    letters = [dead_letter(ada), dead_letter(ada, reason="unknown_outcome")]
    done = dead_letter(ada)
    DeadLetter.objects.filter(pk=done.pk).update(state="replayed")

    answer = act(operator, "replay", *letters, done, confirmed="yes", note="smtp is back")

    assert len(answer.context["messages"]) == 1
    assert "2 replayed; 1 not: This dead letter has been replayed." in answer.content.decode()
    assert Notification.objects.exclude(replay_of=None).count() == 2
    trail = AuditEntry.objects.filter(action="replayed", object_type="dead letter")
    assert {entry.object_id for entry in trail} == {str(letter.pk) for letter in letters}
    staff = User.objects.get(email="operator@example.com")
    assert audit_trail(letter_id=letters[0].pk) == [
        ("replayed", f"staff:{staff.pk}", "smtp is back")
    ]
    assert "Operator replayed it" in operator.get(page_of(letters[0])).content.decode()


def test_a_discard_needs_a_reason(operator: Client, ada: User) -> None:
    letter = dead_letter(ada)

    asked = act(operator, "discard", letter, confirmed="yes", note="  ").content.decode()
    letter.refresh_from_db()
    assert "A reason is needed." in asked
    assert letter.state == "open"
    assert not AuditEntry.objects.exists()

    page = act(operator, "discard", letter, confirmed="yes", note="an old test").content.decode()

    letter.refresh_from_db()
    assert "1 discarded." in page
    assert letter.state == "discarded"
    assert AuditEntry.objects.get().detail == "an old test"


@pytest.mark.parametrize("name", ["replay", "discard"])
def test_a_viewer_may_do_nothing(login: Login, ada: User, name: str) -> None:
    letter = dead_letter(ada)

    assert act(login("Viewer"), name, letter, confirmed="yes", note="x").status_code == 403

    letter.refresh_from_db()
    assert letter.state == "open"


@pytest.mark.parametrize("chosen", [[], ["x"]])
def test_a_choice_that_is_none_is_refused(operator: Client, chosen: list[str]) -> None:
    answer = operator.post(f"{LIST}act/replay/", {"chosen": chosen, "confirmed": "yes"})

    assert answer.status_code == 400


def test_the_way_back_leads_nowhere_else(operator: Client, ada: User) -> None:
    form = {"chosen": str(dead_letter(ada).pk), "confirmed": "yes", "note": "x", "back": "//evil"}

    answer = operator.post(f"{LIST}act/discard/", form)

    assert answer["Location"] == LIST


def test_a_message_of_the_queue_is_shown_as_text_with_the_messages_that_it_names(
    operator: Client, login: Login, ada: User
) -> None:
    row = accepted(ada)
    letter = poison(row.pk, reason="delivery_limit")

    page = operator.get(page_of(letter)).content.decode()
    seen = login("Viewer").get(page_of(letter)).content.decode()

    assert "Message of the queue" in page
    assert "It left the queue email once. Workers took the message" in page
    assert "task: notifications.deliver_email" in page
    assert reverse("desk:message", args=[row.pk]) in page
    assert "x-death" not in page.lower()
    assert "notifications.deliver_email" not in seen


def test_a_message_of_the_queue_that_is_no_json_is_shown_as_it_is(operator: Client) -> None:
    letter = poison(body="<not json>")

    page = operator.get(page_of(letter)).content.decode()

    assert "&lt;not json&gt;" in page
    assert "it can only be discarded" in page
