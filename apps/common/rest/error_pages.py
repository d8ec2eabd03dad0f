"""The pages that browsers get for errors: what failed, the correlation id and the way back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.cache import patch_vary_headers

from apps.common.rest.problems import DETAILS

TEMPLATE = "problem.html"
# The code of a form without its token, whose page differs from that of a missing right.
CSRF = "csrf"
HOST_NOT_SERVED = "host_not_served"
# Of the document's answer, these describe the document itself.
OF_THE_DOCUMENT = ("content-type", "content-length", "content-security-policy")
MINUTE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a page says about a status.

    Attributes:
        title: What failed.
        advice: What the reader can do about it.
    """

    title: str
    advice: str


UNKNOWN = Words(
    title="This did not work", advice="Go back and try again. If it fails again, report the id."
)
WORDS = {
    400: Words(
        title="The request is not valid",
        advice="Go back, mend what is named here and send it again.",
    ),
    401: Words(title="You are not logged in", advice="Log in and open the page again."),
    403: Words(
        title="You may not do this",
        advice="Your account lacks the right to it. An administrator can grant it.",
    ),
    404: Words(
        title="There is nothing at this address",
        advice="The address may be misspelled, or what was here has been removed.",
    ),
    405: Words(
        title="This address does not take such a request",
        advice="Open the page again from where you came, and do not reload a form's answer.",
    ),
    406: Words(
        title="There is no such format here", advice="Ask for JSON, or open the page in a browser."
    ),
    408: Words(
        title="The request took too long to arrive",
        advice="Nothing was stored. Send it again over a better connection.",
    ),
    409: Words(
        title="This has changed in the meantime",
        advice="Open the page again, look at what is there now, and decide anew.",
    ),
    413: Words(title="This is too large", advice="Send less at once, in several parts."),
    415: Words(
        title="This kind of content is not read here",
        advice="The documentation of the API names the kinds that are.",
    ),
    422: Words(
        title="This cannot be carried out",
        advice="The request was understood. Change what is named here and send it again.",
    ),
    429: Words(title="Too many attempts", advice="Wait a little. More attempts prolong the wait."),
    500: Words(
        title="Something went wrong on our side",
        advice="Try again in a moment. If it fails again, report the correlation id: it finds the "
        "error in our logs.",
    ),
    503: Words(
        title="The service cannot answer right now",
        advice="Nothing was stored, so it is safe to try again soon.",
    ),
}
FORM_IS_OLD = Words(
    title="This form cannot be sent any more",
    advice="It is too old, or the browser kept no cookie. Go back, reload the page and send it "
    "again.",
)


def words_of(document: Mapping[str, Any]) -> Words:
    """Return what to say about a problem document."""
    if document["code"] == CSRF:
        return FORM_IS_OLD
    return WORDS.get(document["status"], UNKNOWN)


def error_page(
    request: HttpRequest, answer: HttpResponse, document: Mapping[str, Any]
) -> HttpResponse:
    """Return the page of a problem document.

    It needs neither the database nor the context of other pages, so it works when these fail.

    Args:
        request: The request that failed.
        answer: The answer to a program, whose status, headers and cookies the page keeps.
        document: The problem document of the answer.
    """
    page = HttpResponse(
        render_to_string(TEMPLATE, page_context(request, answer, document)),
        status=answer.status_code,
    )
    for name, value in answer.items():
        if name.lower() not in OF_THE_DOCUMENT:
            page[name] = value
    page.cookies = answer.cookies
    patch_vary_headers(page, ("Accept", "Cookie"))
    return page


def page_context(
    request: HttpRequest, answer: HttpResponse, document: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the context of the page, for this template and that of the desk."""
    words = words_of(document)
    status = document["status"]
    return {
        "title": words.title,
        "words": words,
        "problem": document,
        # What is said of every such error is in the title already.
        "detail": document["detail"] if document["detail"] not in DETAILS.values() else "",
        "phrase": HTTPStatus(status).phrase,
        "method": request.method,
        "wait": spoken_wait(answer.get("Retry-After", "")),
        # On another host the links would lead to the same refusal.
        "ways": [] if document["code"] == HOST_NOT_SERVED else list(_ways(request, status)),
    }


def spoken_wait(retry_after: str) -> str:
    """Return the time of a ``Retry-After`` header in words; empty without a number of seconds."""
    if not retry_after.isdecimal():
        return ""
    seconds = int(retry_after)
    if seconds < MINUTE_SECONDS:
        return f"{seconds} s"
    return f"{-(-seconds // MINUTE_SECONDS)} min"


def _ways(request: HttpRequest, status: int) -> Iterator[tuple[str, str]]:
    staff = _is_staff(request, status)
    named = [("Home of the desk", "admin:index")] if staff else []
    if status == HTTPStatus.UNAUTHORIZED:
        named.append(("Log in", "admin:login"))
    for title, name in (*named, ("Front page", "front-page")):
        try:
            yield title, reverse(name)
        except NoReverseMatch:
            # A set of URLs without these pages, such as that of a test.
            continue


def _is_staff(request: HttpRequest, status: int) -> bool:
    """Return whether to lead the way to the desk; after an error of ours, by the address alone."""
    of_desk = request.path.startswith("/admin/")
    if of_desk or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return of_desk
    try:
        return bool(getattr(getattr(request, "user", None), "is_staff", False))
    except (DatabaseError, InterfaceError):
        return False
