"""Home: numbers from the statistics, charts, and what needs attention first."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.channels import Channel
from apps.desk.home import attention, charts, numbers
from apps.desk.home.attention import Situation
from apps.desk.home.numbers import PERIODS, Bucket
from apps.notifications.broker import topology
from apps.notifications.flow_control import breakers
from apps.notifications.flow_control.breakers import Forced, State
from apps.notifications.flow_control.control import BreakerState, ProviderState
from apps.notifications.flow_control.limits import Shown
from apps.notifications.models import DeadLetter, Heartbeat, Notice, StatisticsDelta
from apps.notifications.notices import conditions
from apps.notifications.notices.conditions import Condition, Observation
from apps.users.models import User
from apps.webhooks import subscriptions
from apps.webhooks.models import Endpoint
from tests.desk.conftest import Login
from tests.notifications.factories import accepted
from tests.webhooks.factories import registered_webhook

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
CALM = Situation(
    providers=[],
    processes=[
        Heartbeat(name="all", role="worker", queues=list(topology.LANES)),
        Heartbeat(name="scheduler", role="scheduler", queues=[]),
    ],
    depths={},
    letters={},
    oldest=None,
    last=Bucket(at=NOW),
)


def counted(at: datetime, channel: str = "email", **counts: int) -> None:
    StatisticsDelta.objects.create(
        at=at,
        client="shop",
        kind=Kind.LIVE,
        channel=channel,
        template_code="welcome",
        counts={name.replace("__", "/"): count for name, count in counts.items()},
    )


def test_numbers_are_those_of_the_statistics(db: None) -> None:
    counted(NOW, accepted=10, ended__sent__=6, ended__failed__rejected=2, latency__40=6)
    counted(NOW - timedelta(hours=3), "push", accepted=5, ended__skipped__opted_out=5)
    counted(NOW - timedelta(days=3), accepted=100, ended__delivered__=100)

    day = numbers.read(PERIODS["24h"], channel="", now=NOW)
    mails = numbers.read(PERIODS["24h"], channel="email", now=NOW)
    week = numbers.read(PERIODS["7d"], channel="", now=NOW)

    total = day.total
    assert (total.accepted, total.good, total.bad, total.calm) == (15, 6, 2, 5)
    assert total.success_percent == "75.0"
    assert total.p50 == 1024.0
    assert len(day.buckets) == 25
    assert (mails.total.accepted, mails.total.calm) == (10, 0)
    assert week.total.good == 106


def test_each_provider_has_a_bar_for_each_hour(db: None) -> None:
    counted(NOW, attempts__smtp__accepted=6, attempts__smtp__transient=2)
    counted(NOW - timedelta(hours=2), attempts__smtp__rejected=1)

    calls = numbers.calls_by_provider(PERIODS["24h"], now=NOW)["smtp"]

    assert len(calls) == 25
    assert calls[-3:] == [(0, 1), (0, 0), (6, 2)]
    drawn = charts.small(calls)
    assert [part.look for part in drawn[-1].parts] == ["good", "bad"]
    assert all(part.height <= charts.SMALL_HEIGHT for bar in drawn for part in bar.parts)


def test_it_says_100_percent_only_if_nothing_failed() -> None:
    assert Bucket(at=NOW, good=1_000_000, bad=1).success_percent == "99.9"
    assert Bucket(at=NOW, good=1).success_percent == "100"


def test_a_single_failure_among_many_is_seen() -> None:
    (bar,) = charts.bars([Bucket(at=NOW, good=1_000_000, bad=1)]).bars

    assert [(part.look, part.height >= 1) for part in bar.parts] == [("good", True), ("bad", True)]


@pytest.mark.parametrize("most", [0, 1, 7, 999, 1_000, 123_456])
def test_the_scale_has_room_for_every_bar(most: int) -> None:
    drawn = charts.bars([Bucket(at=NOW, good=most), Bucket(at=NOW)])

    assert drawn.marks[-1].value >= most
    assert all(part.y >= 0 for bar in drawn.bars for part in bar.parts)


def test_a_line_has_gaps_where_nothing_was_delivered() -> None:
    with_value, without = Bucket(at=NOW), Bucket(at=NOW)
    with_value.latency.update({40: 3})

    drawn = charts.lines([with_value, without, with_value])

    assert len(drawn.p50) == 2


def said(situation: Situation) -> list[str]:
    return [item.said for item in attention.items(situation, now=NOW)]


def changed(**changes: object) -> Situation:
    return Situation(**{**vars(CALM), **changes})


def test_nothing_needs_attention_when_all_is_well(db: None) -> None:
    assert said(CALM) == []


def test_a_missing_worker_of_the_webhooks_is_said_if_somebody_gets_any(db: None) -> None:
    registered_webhook()
    assert said(CALM) == ["No worker serves webhooks."]

    Endpoint.objects.all().delete()
    subscriptions.forget()
    assert said(CALM) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"processes": []}, "No worker serves email"),
        ({"processes": CALM.processes[:1]}, "No scheduler runs"),
        ({"depths": {"email": None}}, "The broker does not answer"),
        ({"letters": {"rejected": 7, "defect": 1}}, "8 failed for good"),
        ({"oldest": NOW - timedelta(minutes=12)}, "A message has waited for 12 minutes."),
        ({"last": Bucket(at=NOW, good=10, bad=20)}, "Only 33% of the latest messages went out."),
    ],
)
def test_what_is_wrong_is_said(db: None, changes: dict[str, object], words: str) -> None:
    assert any(line.startswith(words) for line in said(changed(**changes)))


def test_the_page_shows_a_forced_breaker_and_the_dead_letters(
    login: Login, ada: User, settings: object
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]  # type: ignore[attr-defined] # A fixture's object.
    breakers.force(["smtp"], Forced.OPEN)
    DeadLetter.objects.create(notification=accepted(ada), reason="rejected", channel="email")

    page = login("Viewer").get("/admin/").content.decode()

    assert "The breaker of smtp is forced open by hand." in page
    assert "The provider refused the message for good." in page


def test_the_page_reads_no_row_of_the_big_table_but_those_that_are_due(
    login: Login, ada: User
) -> None:
    accepted(ada)
    counted(timezone.now(), accepted=3)
    viewer = login("Viewer")

    with CaptureQueriesContext(connection) as captured:
        viewer.get("/admin/")

    big = [one["sql"] for one in captured if 'FROM "notifications_notification"' in one["sql"]]
    assert len(big) == 1
    assert '"wake_at" IS NOT NULL' in big[0]
    assert "LIMIT 200" in big[0]


def notice(condition: Condition, subject: str = "", **facts: object) -> Notice:
    return Notice(condition=condition.value, subject=subject, facts=facts, since=NOW, raised_at=NOW)


def test_what_operators_are_told_is_said_in_the_same_words(db: None) -> None:
    overdue = Observation(condition=Condition.OVERDUE, since=NOW, facts={"seconds": 75})
    endpoint = notice(Condition.WEBHOOK_DISABLED, "1", name="https://shop.example.com/hook")
    situation = changed(
        observed=[overdue], notices=[notice(Condition.OVERDUE, seconds=61), endpoint]
    )

    items = attention.items(situation, now=NOW)

    assert [(item.said, item.told_at) for item in items] == [
        (conditions.said("overdue", "", {"seconds": 75}), NOW),
        (conditions.said("webhook_disabled", "1", endpoint.facts), NOW),
    ]


def test_what_is_not_bad_enough_or_gone_for_now_is_not_said(db: None) -> None:
    mild = Observation(
        condition=Condition.OVERDUE, since=NOW, facts={"seconds": 40}, is_raised=False
    )
    gone = notice(Condition.WEBHOOK_DISABLED, "1", name="x")
    gone.clear_since = NOW

    assert said(changed(observed=[mild], notices=[gone])) == []


def test_an_open_breaker_is_said_once_with_when_operators_were_told(db: None) -> None:
    breaker = BreakerState(
        name="smtp",
        platform="",
        state=State.OPEN,
        forced=Forced.AUTO,
        reason="credentials",
        since=NOW,
        next_probe_at=None,
    )
    smtp = ProviderState(
        name="smtp",
        channel=Channel.EMAIL,
        preference=1,
        breakers=[breaker],
        limit=Shown(per_second=None, maximum_per_second=None, slowed=False, paused_until=None),
    )
    situation = changed(
        providers=[smtp], notices=[notice(Condition.BREAKER_OPEN, "smtp", reason="credentials")]
    )

    (item,) = attention.items(situation, now=NOW)

    assert item.said == conditions.said("breaker_open", "smtp", {"reason": "credentials"})
    assert item.told_at == NOW


def test_the_page_shows_what_operators_were_told(login: Login, ada: User, settings: object) -> None:
    stored = notice(Condition.WEBHOOK_DISABLED, "1", name="https://shop.example.com/hook")
    stored.calm_seconds = 300
    stored.save()
    viewer = login("Viewer")

    assert "https://shop.example.com/hook" not in viewer.get("/admin/").content.decode()
    settings.OPERATOR_EMAILS = ["ops@example.com"]  # type: ignore[attr-defined] # A fixture's object.
    page = viewer.get("/admin/").content.decode()

    assert "The webhook endpoint https://shop.example.com/hook was disabled" in page
    assert "Operators were told" in page
