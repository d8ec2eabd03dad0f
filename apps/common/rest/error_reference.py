"""The pages that explain problems: ``/errors/`` and ``/errors/{code}``.

They need neither a log-in nor the database, so they answer also while something else fails.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from apps.common.rest.error_answers import wants_page
from apps.common.rest.problem_types import TYPES, ProblemType, address_of

MARKDOWN_HEAD = ("| code | status | meaning | what to do |", "|---|---|---|---|")


@require_safe
def error_list(request: HttpRequest) -> HttpResponse:
    """List all problems, as a page for browsers and as JSON for others."""
    types = list(TYPES.values())
    if wants_page(request):
        answer = render(request, "error_types.html", {"title": "Errors", "types": types})
    else:
        answer = JsonResponse({"results": [_document(one) for one in types]})
    patch_vary_headers(answer, ("Accept",))
    return answer


@require_safe
def error_page(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one problem, as a page for browsers and as JSON for others.

    Raises:
        Http404: There is no such code.
    """
    known = TYPES.get(code)
    if known is None:
        raise Http404
    if wants_page(request):
        context = {
            "title": known.title,
            "type": known,
            "phrase": HTTPStatus(known.status).phrase,
            "address": address_of(code),
        }
        answer = render(request, "error_type.html", context)
    else:
        answer = JsonResponse(_document(known))
    patch_vary_headers(answer, ("Accept",))
    return answer


def markdown() -> Iterator[str]:
    """Yield the lines of the table in ``docs/errors.md``, which a test compares with the file."""
    yield from MARKDOWN_HEAD
    for one in TYPES.values():
        yield f"| `{one.code}` | {one.status} | {one.title}. {one.meaning} | {one.advice} |"


def _document(known: ProblemType) -> dict[str, Any]:
    return {
        "type": address_of(known.code),
        "code": known.code,
        "status": known.status,
        "title": known.title,
        "meaning": known.meaning,
        "advice": known.advice,
    }
