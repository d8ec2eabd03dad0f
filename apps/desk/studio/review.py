"""What publishing a version changes: the words, line by line, and what callers have to bring."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from apps.notifications.past_calls import missing_in_calls
from apps.templates.content import CONTENT_FIELDS, written
from apps.templates.models import TemplateVersion
from apps.templates.versions import Publication

# The lines around a change that are shown.
AROUND = 2
SAME, ADDED, REMOVED, LEFT_OUT = "same", "added", "removed", "left-out"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a comparison: the same, added, removed, or in place of lines left out."""

    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """What changes in one field."""

    name: str
    lines: Sequence[Line]


@dataclass(frozen=True, kw_only=True)
class NewlyRequired:
    """A variable that callers have to bring from now on, and how often it was missing lately."""

    name: str
    missing: int


@dataclass(frozen=True, kw_only=True)
class Review:
    """What publishing a version changes.

    Attributes:
        version: The version.
        replaced: The version that is sent now; None for the first of its language.
        changes: The fields that change.
        newly_required: What callers have to bring from now on.
        no_longer_required: What they had to bring until now.
        calls: How many of the latest calls were looked at.
    """

    version: TemplateVersion
    replaced: TemplateVersion | None
    changes: Sequence[FieldChange]
    newly_required: Sequence[NewlyRequired]
    no_longer_required: Sequence[str]
    calls: int

    @property
    def breaks_calls(self) -> bool:
        """Whether calls like the latest ones would be refused."""
        return any(one.missing for one in self.newly_required)


def review_of(version: TemplateVersion) -> Review:
    """Compare a version with the published one of its language.

    Args:
        version: A version with its template.
    """
    replaced = version.template.versions.filter(language=version.language, published=True).first()
    publication = Publication(version=version, replaced=replaced)
    missing, calls = missing_in_calls(version, publication.newly_required)
    before = written(replaced.content) if replaced else {}
    return Review(
        version=version,
        replaced=replaced,
        changes=list(changes_between(before, written(version.content))),
        newly_required=[
            NewlyRequired(name=name, missing=missing.get(name, 0))
            for name in publication.newly_required
        ],
        no_longer_required=publication.no_longer_required,
        calls=calls,
    )


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    """Yield the fields that differ, in the order of forms."""
    for name in CONTENT_FIELDS:
        old, new = _text(before.get(name)), _text(after.get(name))
        if old != new:
            yield FieldChange(name=name, lines=list(_lines(old.splitlines(), new.splitlines())))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {text}" for key, text in value.items())
    return str(value)


def _lines(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    for group in matcher.get_grouped_opcodes(AROUND):
        if group[0][1] > 0:
            yield Line(kind=LEFT_OUT, text="")
        for tag, old_begin, old_end, new_begin, new_end in group:
            if tag == "equal":
                yield from (Line(kind=SAME, text=text) for text in old[old_begin:old_end])
                continue
            yield from (Line(kind=REMOVED, text=text) for text in old[old_begin:old_end])
            yield from (Line(kind=ADDED, text=text) for text in new[new_begin:new_end])
        if group[-1][2] < len(old):
            yield Line(kind=LEFT_OUT, text="")
