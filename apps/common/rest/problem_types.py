"""Every kind of problem that the API answers with: what it means, and what to do about it.

The ``type`` of a problem is the address of its page (``/errors/{code}``), so whoever reads an error
in a log can open it. The pages, ``docs/errors.md`` and the problems themselves read this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings

from apps.common.rest.problem_table import ROWS

# A problem of which nothing more is known than its status (RFC 9457, section 4.2.1).
UNTYPED = "about:blank"


@dataclass(frozen=True, kw_only=True)
class ProblemType:
    """One kind of problem.

    Attributes:
        code: The word for programs.
        status: HTTP status of its answers.
        title: What failed, in a few words. It is the same in every answer.
        meaning: When it is answered.
        advice: What a caller can do about it.
    """

    code: str
    status: int
    title: str
    meaning: str
    advice: str


TYPES: Mapping[str, ProblemType] = {
    code: ProblemType(code=code, status=status, title=title, meaning=meaning, advice=advice)
    for code, status, title, meaning, advice in ROWS
}


def address_of(code: str) -> str:
    """Return the address of the page of a problem, under which clients reach this installation."""
    return f"{settings.PUBLIC_URL}/errors/{code}"


def members_of(status: int, code: str) -> dict[str, Any]:
    """Return ``type`` and ``title`` of a problem document.

    A code that is not in the table has no page; its title is the phrase of its status.
    """
    known = TYPES.get(code)
    if known is None:
        return {"type": UNTYPED, "title": HTTPStatus(status).phrase}
    return {"type": address_of(code), "title": known.title}
