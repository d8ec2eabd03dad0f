"""The pages of the links in mails. A GET changes nothing, because mail scanners open links too."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import View

from apps.common.rest.parsers import CONTROL_CHARACTER
from apps.common.rest.problems import Problem, invalid
from apps.common.throttling import count_call
from apps.users import confirmations, password_resets
from apps.users.passwords import MAX_LENGTH

# These pages have a form and a style sheet, but no scripts.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def words_of(problem: Problem) -> list[str]:
    """Return the messages of a problem, to show them on a page."""
    return [error.detail for error in problem.errors] or [str(problem.detail)]


class _LinkPage(View):
    """A page with a form and one button; the POST executes the action.

    Subclasses set ``template_name`` and ``done``, and implement ``act``.
    """

    template_name: str
    done: str

    def act(self, request: HttpRequest, token: str) -> None:
        """Execute the action of the link.

        Raises:
            Problem: The action is not possible.
        """
        raise NotImplementedError

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        return self._page(request, token=request.GET.get("token", ""))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Execute the action and show its result."""
        token = request.POST.get("token", "")
        try:
            count_call(request, group="confirmation")
            self.act(request, token)
        except Problem as problem:
            page = self._page(request, token=token, errors=words_of(problem))
            page.status_code = problem.status_code
            for name, value in problem.headers.items():
                page[name] = value
            return page
        return self._page(request, done=self.done)

    def _page(self, request: HttpRequest, **context: Any) -> HttpResponse:
        page = render(request, self.template_name, {"password_length": MAX_LENGTH, **context})
        page["Cache-Control"] = "no-store"
        page["Content-Security-Policy"] = PAGE_POLICY
        # The URL of this page contains the token.
        page["Referrer-Policy"] = "no-referrer"
        return page


class ConfirmEmailPage(_LinkPage):
    """The page that confirms an e-mail address."""

    template_name = "users/confirm_email.html"
    done = "Thank you: your e-mail address is confirmed."

    def act(self, request: HttpRequest, token: str) -> None:
        """Confirm the address."""
        confirmations.confirm(token)


class ResetPasswordPage(_LinkPage):
    """The page that sets a new password."""

    template_name = "users/reset_password.html"
    done = "Your new password is set. You can log in with it now."

    def act(self, request: HttpRequest, token: str) -> None:
        """Set the password that was entered in the form."""
        password = request.POST.get("password", "")[: MAX_LENGTH + 1]
        if CONTROL_CHARACTER.search(password):
            # The login refuses them, so such a password could never be used.
            detail = "Control characters are not allowed."
            raise invalid("/password", "control_character", detail)
        password_resets.confirm(token=token, password=password)
