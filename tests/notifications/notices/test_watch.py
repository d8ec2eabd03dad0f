"""The scheduler looks at the conditions, and tells operators once."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notice, Notification
from apps.notifications.notices import sources, telling, watch
from apps.notifications.notices.conditions import MANY, Condition
from apps.notifications.notices.sources import Source
from apps.notifications.notices.watch import CATCH_UP_SECONDS, EVERY_SECONDS, LOCK, Watch
from apps.notifications.privacy.retention import purge_others, rules
from apps.webhooks.models import Delivery
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.notifications.concurrent_work import ConcurrentWork
from tests.notifications.notices.conftest import OPS, Installation, mails, open_subjects
from tests.webhooks.factories import endpoint_of

ONE_EACH = [("raised", "pending")] * len(OPS)
pytestmark = pytest.mark.django_db


class Clock:
    """A monotonic clock that a test moves forward, in seconds."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def all_at_once(work: Callable[[], Any], times: int) -> None:
    for each in [ConcurrentWork(work) for _ in range(times)]:
        each.result()


def test_one_mail_to_each_operator_when_it_begins_and_one_when_it_is_over(
    installation: Installation,
) -> None:
    installation.has("shop")
    for _ in range(5):
        installation.look()
    assert mails() == ONE_EACH
    Notification.objects.update(status=Status.SENT)
    installation.calm_down()
    installation.look()
    assert [text for text, _ in mails()] == ["raised", "raised", "over", "over"]
    notice = Notice.objects.get()
    assert notice.is_over
    assert notice.clear_since is not None


def test_a_mail_that_was_not_sent_is_cancelled_when_the_condition_goes(
    installation: Installation,
) -> None:
    installation.has("shop")
    installation.look()
    installation.has()
    installation.look()
    assert mails() == [("raised", "cancelled")] * 2
    installation.look(after=timedelta(minutes=6))
    assert mails() == [("raised", "cancelled")] * 2 + [("over", "pending")] * 2


def test_a_mail_that_was_cancelled_is_made_again_when_the_condition_returns(
    installation: Installation,
) -> None:
    installation.has("shop")
    installation.look()
    installation.has()
    installation.look()
    installation.has("shop")
    installation.look()
    assert mails() == [("raised", "cancelled")] * 2 + ONE_EACH
    assert Notice.objects.count() == 1


def test_what_is_being_sent_is_waited_for(installation: Installation) -> None:
    installation.has("shop")
    installation.look()
    first = Notification.objects.order_by("pk")[:1].get()
    Notification.objects.filter(pk=first.pk).update(status=Status.SENDING)
    installation.has()
    for _ in range(3):
        installation.look(after=timedelta(minutes=6))
    assert open_subjects() == ["shop"]
    assert [status for _, status in mails()] == ["sending", "pending"]
    Notification.objects.filter(pk=first.pk).update(status=Status.RETRYING)
    installation.look()
    installation.look(after=timedelta(minutes=6))
    assert mails() == [("raised", "cancelled")] * 2 + [("over", "pending")] * 2


def test_a_restart_tells_nothing_again(installation: Installation, clock: Clock) -> None:
    installation.has("shop")
    for _ in range(3):
        restarted = Watch(clock=clock)
        for _ in range(4):
            clock.seconds += EVERY_SECONDS
            restarted()
    assert mails() == ONE_EACH


def test_a_scheduler_that_begins_or_was_suspended_catches_up_first(
    installation: Installation, clock: Clock
) -> None:
    installation.has("shop")
    job = Watch(clock=clock)
    clock.seconds += CATCH_UP_SECONDS - 1
    assert job() is False
    assert mails() == []
    clock.seconds += 3_600
    job()
    assert mails() == []
    clock.seconds += CATCH_UP_SECONDS - 1
    job()
    assert mails() == []
    clock.seconds += 2
    job()
    assert mails() == ONE_EACH


def test_without_operators_it_reads_nothing(
    installation: Installation, settings: Any, clock: Clock
) -> None:
    settings.OPERATOR_EMAILS = []
    installation.has("shop")
    job = Watch(clock=clock)
    with CaptureQueriesContext(connection) as captured:
        for _ in range(4):
            clock.seconds += EVERY_SECONDS
            job()
    assert list(captured) == []
    assert not telling.has_subscribers()


def test_a_look_that_finds_nothing_new_costs_four_statements(
    db: None, operators: list[str]
) -> None:
    with CaptureQueriesContext(connection) as captured:
        watch.look(now=timezone.now())
    assert len(captured) == 4


def test_many_subjects_at_once_are_one_notice(installation: Installation) -> None:
    installation.has(*(f"endpoint-{number:03}" for number in range(300)))
    installation.look()
    assert open_subjects() == [MANY]
    assert mails() == ONE_EACH
    installation.calm_down()
    assert open_subjects() == []
    assert Notification.objects.count() == 4


def test_what_another_process_knows_is_left_to_it(installation: Installation) -> None:
    Notice.objects.create(
        condition="of_a_newer_release", subject="x", since=timezone.now(), calm_seconds=300
    )
    installation.calm_down()
    assert open_subjects() == ["x"]


def test_a_failing_source_changes_nothing_of_its_conditions(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.has("shop")
    installation.look()

    def fails(_: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(sources, "SOURCES", [Source(conditions=list(Condition), read=fails)])
    for _ in range(3):
        installation.look(after=timedelta(hours=1))
    assert open_subjects() == ["shop"]


@pytest.mark.parametrize("seed", range(5))
def test_random_conditions_raise_and_end_each_episode_once(
    installation: Installation, seed: int
) -> None:
    chance = random.Random(seed)
    names = [f"endpoint-{number}" for number in range(8)]
    for _ in range(60):
        installation.has(*chance.sample(names, chance.choice([0, 0, 1, 2, 8])))
        installation.look(after=timedelta(minutes=chance.choice([0.25, 1, 6])))
        if chance.random() < 0.5:
            Notification.objects.filter(status=Status.PENDING).update(status=Status.SENT)
    installation.calm_down()
    installation.look(after=timedelta(hours=2))
    assert open_subjects() == []
    told = Notification.objects.exclude(status=Status.CANCELLED).values_list("template_code")
    texts = [code for (code,) in told]
    episodes = Notice.objects.count()
    assert texts.count("system:notice-over") == episodes * len(OPS)
    assert texts.count("system:notice-raised") <= episodes * len(OPS)


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_several_schedulers_at_once_send_one_mail(installation: Installation) -> None:
    installation.has("shop", "bank")
    all_at_once(lambda: watch.look(now=installation.now), 6)
    installation.look()
    assert mails() == ONE_EACH * 2
    Notification.objects.update(status=Status.SENT)
    installation.has()
    installation.look()
    late = installation.now + timedelta(minutes=6)
    all_at_once(lambda: watch.look(now=late), 6)
    installation.look(after=timedelta(minutes=7))
    assert [text for text, _ in mails()].count("over") == 2 * len(OPS)


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_scheduler_leaves_a_change_to_another_one_that_makes_it(
    installation: Installation,
) -> None:
    installation.has("shop")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        all_at_once(lambda: watch.look(now=installation.now), 1)
        assert mails() == []
    installation.look()
    assert mails() == ONE_EACH


def test_notices_that_are_over_are_purged_with_notifications(installation: Installation) -> None:
    old = timezone.now() - timedelta(days=91)
    ended, kept = (
        Notice.objects.create(
            condition=Condition.OVERDUE, subject=subject, since=old, calm_seconds=300
        )
        for subject in ("", "x")
    )
    Notice.objects.filter(pk=ended.pk).update(over_at=old)
    assert purge_others.purge_all(rules.load(timezone.now())) == {"notices": 1}
    assert Notice.objects.get() == kept


def test_a_webhook_of_operators_is_told_as_well_and_nobody_needs_an_address(
    settings: Any, installation: Installation
) -> None:
    settings.OPERATOR_EMAILS = []
    assert not telling.has_subscribers()
    with WebhookReceiver() as receiver:
        endpoint_of(receiver, events=["operations.notice"])
        endpoint_of(receiver, events=["*"])
    assert telling.has_subscribers()
    installation.has("shop")
    installation.look()
    (told,) = Delivery.objects.all()
    assert told.event == "operations.notice"
    assert (told.data["state"], told.data["subject"]) == ("raised", "shop")
    assert told.data["summary"]
    Notification.objects.update(status=Status.SENT)
    installation.calm_down()
    installation.look()
    assert [row.data["state"] for row in Delivery.objects.order_by("pk")] == ["raised", "over"]
