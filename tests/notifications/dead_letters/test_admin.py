"""The admin pages of dead letters, of their replays and of the audit trail."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from apps.notifications.admin.dead_letters import BY_HAND_MAX
from apps.notifications.dead_letters import replay_many, replay_one
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.models import DeadLetter, DeadLetterReplay
from apps.users.models import User
from tests.notifications.dead_letters.letters import audit_trail, dead_letter, poison, replays_of
from tests.notifications.factories import person

pytestmark = pytest.mark.django_db
LETTERS = "/admin/notifications/deadletter/"
REPLAYS = "/admin/notifications/deadletterreplay/"
TRAIL = "/admin/notifications/deadletteraction/"


@pytest.fixture
def operator(welcome: None) -> Client:
    return member_of("Operator")


def member_of(group: str) -> Client:
    user = person(group.lower(), is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, word: str, *letters: DeadLetter, note: str = "") -> str:
    form = {"action": word, "_selected_action": [str(one.pk) for one in letters], "note": note}
    answer = client.post(LETTERS, form, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_list_shows_open_letters_by_default(operator: Client, alice: User) -> None:
    letters = [dead_letter(alice) for _ in range(2)]
    replay_one.discard(letters[0].pk, by="operator", reason="over")
    page = operator.get(LETTERS).content.decode()
    assert str(letters[1].pk) in page
    assert str(letters[0].pk) not in page
    assert str(letters[0].pk) in operator.get(LETTERS, {"state": "discarded"}).content.decode()
    everything = operator.get(LETTERS, {"state": "all"}).content.decode()
    assert all(str(letter.pk) in everything for letter in letters)


@pytest.mark.parametrize(
    "query",
    [
        {"reason": "attempts_exhausted"},
        {"channel": "email"},
        {"provider": "smtp"},
        {"kind__exact": "live"},
        {"q": "welcome"},
        {"recorded_at__gte": "2026-01-01 00:00:00+00:00"},
    ],
)
def test_the_list_can_be_filtered(operator: Client, alice: User, query: dict[str, str]) -> None:
    letter = dead_letter(alice)
    other = poison("x")
    DeadLetter.objects.filter(pk=other.pk).update(channel="push", kind="test")
    DeadLetter.objects.filter(pk=other.pk).update(recorded_at="2025-01-01T00:00:00Z")
    answer: Any = operator.get(LETTERS, query, follow=True)
    page = answer.content.decode()
    assert str(letter.pk) in page
    assert str(other.pk) not in page


def test_the_page_of_a_letter_shows_its_history(operator: Client, alice: User) -> None:
    letter = dead_letter(alice)
    done = replay_one.replay(letter.pk, by="desk", note="the server is back")
    page = operator.get(f"{LETTERS}{letter.pk}/change/").content.decode()
    for words in (str(letter.notification_id), str(done.replayed_as), "desk", "554"):
        assert words in page
    assert "the server is back" in page


def test_poison_is_shown_escaped(operator: Client, db: None) -> None:
    letter = poison(body="<script>alert(1)</script>")
    page = operator.get(f"{LETTERS}{letter.pk}/change/").content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_mail_that_may_have_arrived_is_replayed_only_by_its_own_action(
    operator: Client, alice: User
) -> None:
    letter = dead_letter(alice, reason="unknown_outcome")
    page = act(operator, "replay", letter)
    assert "may get it twice" in page
    assert replays_of(letter) == []

    page = act(operator, "replay_doubtful", letter)
    assert "1 replayed." in page
    assert len(replays_of(letter)) == 1


def test_each_selected_letter_is_replayed_by_itself(operator: Client, alice: User) -> None:
    good, bad = dead_letter(alice), poison("x")
    page = act(operator, "replay", good, bad, note="fixed")
    assert "1 replayed." in page
    assert "can only be discarded" in page
    assert len(replays_of(good)) == 1
    staff = User.objects.get(is_staff=True)
    assert audit_trail() == [("replayed", f"staff:{staff.pk}", "fixed")]


def test_a_selection_too_large_for_one_request_is_refused(operator: Client, alice: User) -> None:
    letter = dead_letter(alice)
    DeadLetter.objects.bulk_create(
        DeadLetter(message_id=f"m-{n}", reason="rejected") for n in range(BY_HAND_MAX)
    )
    every = [str(pk) for pk in DeadLetter.objects.values_list("pk", flat=True)]
    chosen = {"action": "discard", "_selected_action": every, "note": "over"}
    page = operator.post(LETTERS, chosen, follow=True)
    assert b"Choose 200 at most" in page.content
    page = operator.post(LETTERS, {**chosen, "select_across": "1"}, follow=True)
    assert b"Choose rows of the page" in page.content
    assert (replays_of(letter), audit_trail()) == ([], [])


def test_discarding_needs_a_reason(operator: Client, alice: User) -> None:
    letter = dead_letter(alice)
    for blank in ("", "  "):
        assert "A reason is needed" in act(operator, "discard", letter, note=blank)
    for refused in ("\0", "x" * 501):
        act(operator, "discard", letter, note=refused)
    assert audit_trail() == []
    assert "1 discarded." in act(operator, "discard", letter, note="over")
    letter.refresh_from_db()
    assert letter.state == "discarded"


def form(**changes: str) -> dict[str, str]:
    fields = ("reason", "channel", "provider", "template_code", "note")
    times = ("since_0", "since_1", "until_0", "until_1")
    return {**dict.fromkeys([*fields, *times], ""), "rate_per_second": "5", **changes}


def test_a_replay_of_many_shows_the_count_before_it_starts(operator: Client, alice: User) -> None:
    dead_letter(alice)
    dead_letter(alice, reason="rejected")
    assert operator.get(f"{REPLAYS}add/").status_code == 200
    asked = form(reason="rejected", since_0="2026-01-01", since_1="00:00:00")
    page = operator.post(f"{REPLAYS}add/", asked).content.decode()
    assert "1 open dead letters match. Tick Start to replay them." in page
    assert DeadLetterReplay.objects.count() == 0
    answer = operator.post(f"{REPLAYS}add/", {**asked, "confirmed": "on", "note": "fixed"})
    assert answer.status_code == 302
    replay = DeadLetterReplay.objects.get()
    staff = User.objects.get(is_staff=True)
    assert (replay.by, replay.matched, replay.note) == (f"staff:{staff.pk}", 1, "fixed")
    assert (replay.kind, replay.rate_per_second) == ("", 5)
    assert replay.criteria == {"reason": "rejected", "since": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize("wrong", [{"rate_per_second": "0"}, {"since_0": "soon"}, {"channel": "x"}])
def test_an_invalid_form_starts_no_replay(operator: Client, wrong: dict[str, str]) -> None:
    answer = operator.post(f"{REPLAYS}add/", form(confirmed="on", **wrong))
    assert answer.status_code == 200
    assert DeadLetterReplay.objects.count() == 0


def test_the_progress_is_shown_and_a_replay_can_be_stopped(operator: Client, alice: User) -> None:
    for _ in range(3):
        dead_letter(alice)
    replay = replay_many.start(Filter(channel="email"), kind="", by="desk", rate_per_second=1)
    replay_many.replay_slice()
    page = operator.get(f"{REPLAYS}{replay.pk}/change/").content.decode()
    assert "replay_started" in page
    assert "email" in page
    chosen = {"action": "cancel", "_selected_action": [str(replay.pk)]}
    assert b"stopped" in operator.post(REPLAYS, chosen, follow=True).content
    replay.refresh_from_db()
    assert (replay.state, replay.replayed) == ("cancelled", 1)


def test_the_audit_trail_cannot_be_changed(operator: Client, alice: User) -> None:
    letter = dead_letter(alice)
    replay_one.discard(letter.pk, by="desk", reason="over")
    page = operator.get(TRAIL).content.decode()
    assert "discarded" in page
    assert str(letter.pk) in page
    assert operator.get(f"{TRAIL}add/").status_code == 403
    assert operator.get(TRAIL, {"q": "desk"}).status_code == 200


def test_viewers_may_read_and_change_nothing(welcome: None, alice: User) -> None:
    viewer = member_of("Viewer")
    letter = dead_letter(alice)
    for page in (LETTERS, f"{LETTERS}{letter.pk}/change/", REPLAYS, TRAIL):
        assert viewer.get(page).status_code == 200
    act(viewer, "discard", letter, note="x")
    act(viewer, "replay", letter)
    assert viewer.post(f"{REPLAYS}add/", form(confirmed="on")).status_code == 403
    letter.refresh_from_db()
    assert (letter.state, audit_trail()) == ("open", [])
