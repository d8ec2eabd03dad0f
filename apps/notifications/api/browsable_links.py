"""The links in the JSON that the browsable API shows: everything that has a page leads to it."""

import json
import re
from urllib.parse import quote, urlencode

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.common.ids import as_uuid

ROOT = "/api/v1/"
# A line of indented JSON with a string: its key, unless it is an item of a list, and the string.
LINE = re.compile(r'(?P<before> *(?:"(?P<key>\w+)": )?)"(?P<text>(?:[^"\\]|\\.)*)"(?P<end>,?)')
# Keys whose values are ids, and the list of what they name.
LISTS = {
    "user_id": "users",
    "notification_id": "notifications",
    "replay_of": "notifications",
    "batch_id": "batches",
    "dead_letter_id": "dead-letters",
}
# Keys whose values the list of notifications filters by.
FILTERS = ("request_id", "correlation_id")
# The lists whose rows have an ``id`` with a page of its own.
ROWS_WITH_PAGES = ("users", "notifications", "batches", "dead-letters")
ELSEWHERE = ("http://", "https://")
# How deep the keys of an answer and those of a row of a list are indented.
OF_AN_ANSWER, OF_A_ROW = 4, 12


def linked(content: str, path: str) -> SafeString:
    """Return indented JSON, escaped and with links.

    Args:
        content: The JSON, with an indent of four spaces.
        path: The path that answered it, which says what an ``id`` is.
    """
    return format_html_join("\n", "{}", ((_line(line, path),) for line in content.split("\n")))


def _line(line: str, path: str) -> SafeString | str:
    found = LINE.fullmatch(line)
    if found is None:
        return line
    before, shown, end = found["before"], found["text"], found["end"]
    depth = len(before) - len(before.lstrip())
    address = _address(found["key"] or "", json.loads(f'"{shown}"'), depth=depth, path=path)
    if not address:
        return line
    return format_html('{}"<a href="{}" rel="nofollow">{}</a>"{}', before, address, shown, end)


def _address(key: str, value: str, *, depth: int, path: str) -> str:
    """Return where a value leads; empty if nowhere."""
    if value.startswith((ROOT, *ELSEWHERE)):
        return value
    if key in LISTS and as_uuid(value) is not None:
        return f"{ROOT}{LISTS[key]}/{value}"
    if key == "template_code" or (key == "code" and path.strip("/") == "api/v1/templates"):
        # The codes of built-in texts have a colon and no page.
        return "" if ":" in value else f"{ROOT}templates/{quote(value)}"
    if key in FILTERS and value:
        return f"{ROOT}notifications/?{urlencode({key: value})}"
    resource = path.strip("/").removeprefix("api/v1/")
    is_own = depth in {OF_AN_ANSWER, OF_A_ROW} and resource in ROWS_WITH_PAGES
    if key == "id" and is_own and as_uuid(value) is not None:
        return f"{ROOT}{resource}/{value}"
    return ""
