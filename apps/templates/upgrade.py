"""What changes for a version of an earlier engine when it is saved again."""

from collections.abc import Iterator

from apps.common.channels import Channel
from apps.common.rest.problems import Problem
from apps.templates.content import COMPILED_HTML, CONTENT_FIELDS, check, sources, written
from apps.templates.engine.numbers import STRICT
from apps.templates.engine.releases import CURRENT
from apps.templates.engine.syntax import TemplateSyntaxError, parse
from apps.templates.models import TemplateVersion

NUMBERS = "a value that is not a number is an error, where it counts as 0 now"
STYLES = "html: the rules of its style sheets are put into its elements."
DATES = (
    "times are written in the recipient's zone and in the version's language, where they are in "
    "UTC and in English now; a value that is not a date is an error, where it is printed now"
)


def changes_when_saved(version: TemplateVersion) -> list[str]:
    """Return what changes when the same content is saved now, in sentences; empty if nothing does.

    Args:
        version: A version with its template.
    """
    if version.engine == CURRENT:
        return []
    return [*_other_meanings(version), *_when_checked(version)]


def _other_meanings(version: TemplateVersion) -> Iterator[str]:
    channel = version.template.channel
    texts = {name: text for name, text, _ in sources(version.content, channel)}
    texts |= {f"data.{key}": text for key, text in version.content.get("data", {}).items()}
    for name, text in texts.items():
        try:
            used = parse(text, engine=version.engine).filters
        except TemplateSyntaxError:
            continue
        arithmetic = sorted(used & STRICT.keys())
        if arithmetic:
            yield f"{name}: {NUMBERS} ({', '.join(arithmetic)})."
        if "date" in used:
            yield f"{name}: {DATES}."


def _when_checked(version: TemplateVersion) -> Iterator[str]:
    content = written(version.content)
    given = {name: content[name] for name in CONTENT_FIELDS if name in content}
    try:
        checked = check(Channel(version.template.channel), given)
    except Problem as problem:
        for error in problem.errors:
            yield f"{error.pointer.strip('/')}: it is refused: {error.detail}"
    else:
        if COMPILED_HTML in checked.stored and COMPILED_HTML not in version.content:
            yield STYLES
