"""A notice is raised once and over once, whatever the conditions do."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.notifications.notices import episodes
from apps.notifications.notices.conditions import MANY, Condition, Key, Observation
from apps.notifications.notices.episodes import (
    CALM,
    CALM_MAX,
    SOON,
    SUBJECTS_MAX,
    Opened,
    Seen,
    calm_after,
)

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
LOOK = timedelta(seconds=15)
BREAKER, OVERDUE = Condition.BREAKER_OPEN, Condition.OVERDUE


def there(
    subject: str = "smtp", condition: Condition = BREAKER, *, is_raised: bool = True
) -> Observation:
    return Observation(condition=condition, subject=subject, since=NOW, is_raised=is_raised)


class Notices:
    """The notices of an installation, without a database."""

    def __init__(self) -> None:
        self.now = NOW
        self.opened: dict[Key, Opened] = {}
        self.ended: dict[Key, tuple[timedelta, datetime]] = {}
        self.told: list[tuple[str, Key, datetime]] = []

    def look(self, *observations: Observation, unknown: tuple[Condition, ...] = ()) -> None:
        self.now += LOOK
        seen = Seen(observations=observations, unknown=unknown)
        made = episodes.step(self.opened, seen, now=self.now)
        for key in made.returned:
            self.opened[key] = Opened(calm=self.opened[key].calm, clear_since=None)
        for key in made.clearing:
            self.opened[key] = Opened(calm=self.opened[key].calm, clear_since=self.now)
        for key in made.over:
            self.told.append(("over", key, self.now))
            self.ended[key] = self.opened.pop(key).calm, self.now
        for each in made.raised:
            self.told.append(("raised", each.key, self.now))
            calm = calm_after(self.ended.get(each.key), now=self.now)
            assert each.key not in self.opened
            self.opened[each.key] = Opened(calm=calm, clear_since=None)

    def look_for(self, time: timedelta, *observations: Observation) -> None:
        until = self.now + time
        while self.now < until:
            self.look(*observations)

    @property
    def words(self) -> list[str]:
        return [word for word, _, _ in self.told]


def test_an_episode_is_raised_once_and_over_once() -> None:
    notices = Notices()
    notices.look_for(timedelta(hours=3), there())
    assert notices.words == ["raised"]
    notices.look_for(timedelta(hours=3))
    assert notices.words == ["raised", "over"]


def test_it_is_over_only_after_five_minutes_without_the_condition() -> None:
    notices = Notices()
    notices.look(there())
    for _ in range(10):
        notices.look_for(CALM - 2 * LOOK)
        notices.look(there())
    assert notices.words == ["raised"]
    notices.look_for(CALM + 2 * LOOK)
    assert notices.words == ["raised", "over"]


def test_what_is_not_bad_enough_to_be_told_keeps_a_notice_open() -> None:
    notices = Notices()
    notices.look_for(timedelta(hours=1), there(is_raised=False))
    assert notices.words == []
    notices.look(there())
    notices.look_for(timedelta(hours=1), there(is_raised=False))
    assert notices.words == ["raised"]


def test_what_cannot_be_observed_is_not_over() -> None:
    notices = Notices()
    notices.look(there(), there("", OVERDUE))
    for _ in range(100):
        notices.look(unknown=(BREAKER,))
    assert [(word, key[0]) for word, key, _ in notices.told[2:]] == [("over", OVERDUE)]


def test_a_breaker_that_opens_and_closes_for_a_day_is_told_at_most_twice_an_hour() -> None:
    notices = Notices()
    for _ in range(24 * 6):
        notices.look_for(timedelta(minutes=5), there())
        notices.look_for(timedelta(minutes=5) + LOOK)
    assert len(notices.told) <= 2 + 24 * 2
    gaps = [
        later[2] - earlier[2]
        for earlier, later in zip(notices.told[6:], notices.told[7:], strict=False)
        if earlier[0] == "raised"
    ]
    assert min(gaps, default=CALM_MAX) >= timedelta(minutes=20)


def test_the_calm_is_doubled_for_the_next_episode_and_forgotten_after_an_hour() -> None:
    assert calm_after(None, now=NOW) == CALM
    assert calm_after((CALM, NOW - SOON), now=NOW) == 2 * CALM
    assert calm_after((CALM_MAX, NOW), now=NOW) == CALM_MAX
    assert calm_after((CALM_MAX, NOW - SOON - LOOK), now=NOW) == CALM


@pytest.mark.parametrize("count", [SUBJECTS_MAX, SUBJECTS_MAX + 1, 300])
def test_many_subjects_at_once_are_one_notice(count: int) -> None:
    notices = Notices()
    many = [there(f"endpoint-{number:03}") for number in range(count)]
    notices.look(*many)
    assert len(notices.told) == (count if count <= SUBJECTS_MAX else 1)
    notices.look_for(timedelta(minutes=2), *many[: count // 2])
    notices.look(*many, there("one more"))
    told = [key[1] for _, key, _ in notices.told]
    assert told.count(MANY) == (1 if count >= SUBJECTS_MAX else 0)
    notices.look_for(timedelta(hours=1))
    assert notices.words.count("over") == notices.words.count("raised")


def test_the_notice_of_many_names_a_few_of_them() -> None:
    made = episodes.step({}, Seen(observations=[there(f"e{n}") for n in range(9)]), now=NOW)
    (one,) = made.raised
    assert one.facts == {"count": 9, "names": ["e0", "e1", "e2", "e3", "e4", "others"]}


SUBJECTS = st.sampled_from([f"s{number}" for number in range(9)])
OBSERVED = st.builds(
    there, SUBJECTS, st.sampled_from([BREAKER, Condition.WEBHOOK_DISABLED]), is_raised=st.booleans()
)
LOOKS = st.lists(
    st.tuples(
        st.lists(OBSERVED, max_size=12, unique_by=lambda each: each.key),
        st.sets(st.sampled_from([BREAKER]), max_size=1),
        # How many looks find the same.
        st.integers(min_value=1, max_value=30),
    ),
    max_size=30,
)


@given(LOOKS)
def test_any_sequence_raises_and_ends_each_episode_at_most_once(
    looks: list[tuple[list[Observation], set[Condition], int]],
) -> None:
    notices = Notices()
    for observations, unknown, times in looks:
        for _ in range(times):
            notices.look(*observations, unknown=tuple(unknown))
    notices.look_for(CALM_MAX + timedelta(minutes=1))

    by_key: dict[Key, list[tuple[str, datetime]]] = {}
    for word, key, at in notices.told:
        by_key.setdefault(key, []).append((word, at))
    for told in by_key.values():
        words = [word for word, _ in told]
        assert words == ["raised", "over"] * (len(words) // 2)
        for (_, raised_at), (_, over_at) in zip(told[::2], told[1::2], strict=True):
            assert over_at - raised_at >= CALM
    assert notices.opened == {}


@given(LOOKS)
def test_at_most_five_subjects_of_a_condition_and_their_sum_are_open(
    looks: list[tuple[list[Observation], set[Condition], int]],
) -> None:
    notices = Notices()
    for observations, _, times in looks:
        for _ in range(times):
            notices.look(*observations)
            for condition in Condition:
                subjects = {subject for name, subject in notices.opened if name == condition}
                assert len(subjects - {MANY}) <= SUBJECTS_MAX
