"""Refused and missing pages of the desk, shown to staff in the desk's own frame."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.common.rest import error_answers
from apps.common.rest.error_answers import wants_page
from apps.common.rest.error_pages import page_context
from apps.common.rest.problems import DEFAULT_CODES, DETAILS, problem_body
from apps.desk.pages import show

REFUSED, MISSING = 403, 404


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a page that the caller may not see (``handler403``)."""
    if in_desk(request):
        return framed(request, REFUSED)
    return error_answers.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown address (``handler404``)."""
    if in_desk(request):
        return framed(request, MISSING)
    return error_answers.page_not_found(request, exception)


def in_desk(request: HttpRequest) -> bool:
    """Return whether a member of staff looks at a page of the desk in a browser."""
    of_desk = request.path.startswith(reverse("admin:index"))
    # Before the session was loaded there is no user; such a request gets the plain page.
    return (
        of_desk
        and wants_page(request)
        and hasattr(request, "user")
        and admin.site.has_permission(request)
    )


def framed(request: HttpRequest, status: int) -> HttpResponse:
    """Return the page of an error in the frame of the desk, with its menu and search."""
    document = problem_body(
        status=status,
        detail=DETAILS[status],
        code=DEFAULT_CODES[status],
        instance=request.path,
    )
    context = page_context(request, HttpResponse(), document)
    return show(request, "desk/problem.html", context, status=status)
