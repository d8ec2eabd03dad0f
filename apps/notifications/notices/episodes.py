"""When a notice is raised and when it is over, as a pure function of what is observed.

- A condition of a subject has one notice at a time.
- It is over when the condition has been gone for a while without a break, so one that comes and
  goes raises one notice.
- The while is five minutes. It is doubled, up to an hour, for an episode that begins within an hour
  of the end of the previous one. So a breaker that opens and closes for days is told about at most
  once in an hour or so.
- At most ``SUBJECTS_MAX`` subjects of a condition have notices of their own. If more have it, one
  notice stands for all others (its subject is ``MANY``).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.notifications.notices.conditions import MANY, Condition, Key, Observation

SUBJECTS_MAX = 5
# How many subjects the notice that stands for many names.
NAMES_MAX = 5
CALM = timedelta(minutes=5)
CALM_MAX = timedelta(hours=1)
# An episode that begins so soon after the previous one has a longer calm.
SOON = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was observed.

    Attributes:
        observations: The conditions that subjects have.
        unknown: Conditions that could not be observed. Their notices stay as they are.
    """

    observations: Sequence[Observation] = ()
    unknown: Collection[Condition] = ()


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A notice that is not over.

    Attributes:
        calm: For how long the condition must be gone.
        clear_since: Since when it is gone; None while it is there.
    """

    calm: timedelta
    clear_since: datetime | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """What changes.

    Attributes:
        raised: Notices to raise.
        over: Notices that are over.
        clearing: Notices whose condition is gone since now.
        returned: Notices whose condition has come back before they were over.
    """

    raised: list[Observation] = field(default_factory=list)
    over: list[Key] = field(default_factory=list)
    clearing: list[Key] = field(default_factory=list)
    returned: list[Key] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.raised or self.over or self.clearing or self.returned)


def step(opened: Mapping[Key, Opened], seen: Seen, *, now: datetime) -> Step:
    """Compare the open notices with what is observed.

    Args:
        opened: The open notices.
        seen: What is observed.
        now: The current time, UTC.
    """
    made = Step()
    there = {each.key for each in seen.observations}
    # The notice of many stands for every subject that has none of its own.
    there |= {
        (condition, MANY) for condition, subject in there if (condition, subject) not in opened
    }
    unknown = {condition.value for condition in seen.unknown}
    for key, notice in opened.items():
        if key[0] in unknown:
            continue
        if key in there:
            if notice.clear_since is not None:
                made.returned.append(key)
        elif notice.clear_since is None:
            made.clearing.append(key)
        elif now - notice.clear_since >= notice.calm:
            made.over.append(key)
    for condition, fresh in _fresh(opened, seen).items():
        own = sum(name == condition and subject != MANY for name, subject in opened)
        if own + len(fresh) <= SUBJECTS_MAX:
            made.raised.extend(fresh)
        else:
            made.raised.append(_of_many(condition, fresh))
    return made


def _fresh(opened: Mapping[Key, Opened], seen: Seen) -> dict[Condition, list[Observation]]:
    """Return what is bad enough to be told and stands in no notice, by condition."""
    fresh: dict[Condition, list[Observation]] = defaultdict(list)
    for each in sorted(seen.observations, key=lambda each: each.subject):
        covered = each.key in opened or (each.condition.value, MANY) in opened
        if each.is_raised and not covered:
            fresh[each.condition].append(each)
    return fresh


def _of_many(condition: Condition, fresh: Sequence[Observation]) -> Observation:
    names = [str(each.facts.get("name", each.subject)) for each in fresh[:NAMES_MAX]]
    return Observation(
        condition=condition,
        subject=MANY,
        since=min(each.since for each in fresh),
        facts={
            "count": len(fresh),
            "names": [*names, "others"] if len(fresh) > NAMES_MAX else names,
        },
    )


def calm_after(previous: tuple[timedelta, datetime] | None, *, now: datetime) -> timedelta:
    """Return for how long the condition of a new notice must be gone.

    Args:
        previous: The calm of the previous notice of the same condition and subject, and when it was
            over; None if there was none.
        now: When the new one is raised, UTC.
    """
    if previous is None or now - previous[1] > SOON:
        return CALM
    return min(2 * previous[0], CALM_MAX)
