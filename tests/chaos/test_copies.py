"""A bound explains a copy only by what happened to the copy before it."""

import pytest

from apps.common.channels import Channel
from tests.chaos.copies import (
    NO_COPIES,
    Bound,
    Copy,
    Harm,
    killed,
    slept_alone,
    slept_together,
    unanswered,
)

MAIL = frozenset({Channel.EMAIL})
DEATH = Harm(channels=MAIL, at_most=100, since=100.0, until=100.2)
SLEEP = Harm(channels=MAIL, at_most=8, since=100.0, until=170.0)


def mails(*moments: float, answered: bool = True) -> list[Copy]:
    return [
        Copy(ref="ref", carried_id="id", at=at, answered_at=at if answered else None)
        for at in moments
    ]


def test_most_faults_explain_no_copy() -> None:
    assert NO_COPIES.of_one(mails(1.0, 2.0), []) == 0
    assert NO_COPIES.in_all([DEATH]) is None


def test_a_copy_after_one_without_a_reply_is_explained() -> None:
    bound = unanswered("no answer", at_most=3)

    assert bound.of_one([*mails(1.0, 2.0, answered=False), *mails(3.0)], []) == 2


def test_a_copy_after_one_that_was_accepted_is_not_explained() -> None:
    bound = unanswered("no answer", at_most=3)

    assert bound.of_one(mails(1.0, 2.0), []) == 0
    # A missing reply to the last copy does not explain the copies before it.
    assert bound.of_one([*mails(1.0), *mails(2.0, answered=False)], []) == 0


def test_more_copies_than_the_system_retries_are_not_explained() -> None:
    bound = unanswered("no answer", at_most=3)

    assert bound.of_one(mails(1.0, 2.0, 3.0, 4.0, 5.0, answered=False), []) == 3


@pytest.mark.parametrize(
    ("at", "explained"), [(98.9, 0), (99.1, 1), (100.1, 1), (100.6, 1), (100.8, 0)]
)
def test_a_death_explains_copies_accepted_just_before_it(at: float, explained: int) -> None:
    assert killed("died").of_one(mails(at, 160.0), [DEATH]) == explained


def test_the_death_of_an_email_worker_explains_no_push() -> None:
    push = [Copy(ref="ref", carried_id="id", channel=Channel.PUSH, at=at) for at in (100.0, 160.0)]

    assert killed("died").of_one(push, [DEATH]) == 0


@pytest.mark.parametrize("at", [50.0, 100.0, 169.9, 180.1])
def test_a_common_suspension_does_not_explain_copies_answered_before_its_end(at: float) -> None:
    assert slept_together("slept").of_one(mails(at, 200.0), [SLEEP]) == 0


def test_a_common_suspension_explains_a_call_that_continued_afterwards() -> None:
    assert slept_together("slept").of_one(mails(171.0, 200.0, 201.0), [SLEEP]) == 1


@pytest.mark.parametrize(("at", "explained"), [(98.9, 0), (99.5, 1), (130.0, 0), (171.0, 1)])
def test_the_suspension_of_one_worker_explains_what_only_it_knew(at: float, explained: int) -> None:
    assert slept_alone("slept").of_one(mails(at, 200.0), [SLEEP]) == explained


@pytest.mark.parametrize("bound", [killed("died"), slept_alone("slept"), slept_together("slept")])
def test_the_harms_to_workers_bound_the_total_of_copies(bound: Bound) -> None:
    assert bound.in_all([DEATH, SLEEP]) == 108
    assert bound.in_all([]) == 0
