"""The pages of the second factor: enter a code, or register an authenticator app."""

from typing import Any, cast
from urllib.parse import urlencode

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views import View

from apps.common.rest.problems import Problem
from apps.users import known_browsers, login_limits
from apps.users.models import User
from apps.users.pages import PAGE_POLICY, words_of
from apps.users.staff import second_factor

KEY_IN_SESSION = "second_factor_key"
NEXT = "next"
WRONG = "This code is not valid, or was used already. Wait for the next one."


def second_factor_page(user: User, *, then: str) -> HttpResponseRedirect:
    """Redirect to the page that the user needs: to enter a code, or first to enrol."""
    name = "second-factor" if second_factor.has_enrolled(user) else "enrol-second-factor"
    return HttpResponseRedirect(f"{reverse(name)}?{urlencode({NEXT: then})}")


class _StaffPage(View):
    """A page for staff who have given their password. Subclasses implement ``page`` and ``act``."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Redirect other users to the login, and count each attempt."""
        if not (request.user.is_authenticated and request.user.is_staff):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if request.method != "POST":
            return super().dispatch(request, *args, **kwargs)
        try:
            login_limits.count_proof(request, user=self.user(request))
            return self.act(request, code=request.POST.get("code", "").strip())
        except Problem as problem:
            page = self.page(request, errors=words_of(problem))
            page.status_code = problem.status_code
            for name, value in problem.headers.items():
                page[name] = value
            return page

    def user(self, request: HttpRequest) -> User:
        """Return the user of the session."""
        return cast("User", request.user)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        return self.page(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Allow POST; ``dispatch`` calls ``act`` instead of this method."""
        raise NotImplementedError

    def act(self, request: HttpRequest, *, code: str) -> HttpResponse:
        """Check a code and return the next page."""
        raise NotImplementedError

    def page(self, request: HttpRequest, **context: Any) -> HttpResponse:
        """Show the page."""
        raise NotImplementedError

    def then(self, request: HttpRequest) -> str:
        """Return the next URL. It is always on this site, whatever the request contains."""
        wanted = request.GET.get(NEXT, "")
        host = {request.get_host()}
        if url_has_allowed_host_and_scheme(wanted, host, require_https=request.is_secure()):
            return wanted
        return reverse("admin:index")

    def shown(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        """Render a page that caches must not store."""
        page = render(request, template, {"then": self.then(request), **context})
        page["Cache-Control"] = "no-store"
        page["Content-Security-Policy"] = PAGE_POLICY
        return page


class SecondFactorPage(_StaffPage):
    """The page on which enrolled staff enter a code."""

    def page(self, request: HttpRequest, **context: Any) -> HttpResponse:
        """Show the form; redirect staff who have not enrolled."""
        if not second_factor.has_enrolled(self.user(request)):
            return second_factor_page(self.user(request), then=self.then(request))
        return self.shown(request, "users/second_factor.html", **context)

    def act(self, request: HttpRequest, *, code: str) -> HttpResponse:
        """Complete the login if the code is valid."""
        device = second_factor.verify(self.user(request), code)
        if device is None:
            return self.page(request, errors=[WRONG])
        second_factor.remember(request, device)
        response = redirect(self.then(request))
        known_browsers.remember(request, response, self.user(request))
        return response


class EnrolPage(_StaffPage):
    """The page that registers an app and shows the recovery codes once."""

    def page(self, request: HttpRequest, **context: Any) -> HttpResponse:
        """Show the secret as QR code and as text."""
        if not self._may_enrol(request):
            return second_factor_page(self.user(request), then=self.then(request))
        key = request.session.get(KEY_IN_SESSION) or second_factor.new_key()
        request.session[KEY_IN_SESSION] = key
        address = second_factor.address_of(key, user=self.user(request))
        return self.shown(
            request,
            "users/enrol_second_factor.html",
            # This code generates the SVG and its URI, so it contains no markup of a caller.
            picture=mark_safe(second_factor.picture_of(address)),  # noqa: S308 - see above.
            secret=second_factor.base32(key),
            again=second_factor.has_enrolled(self.user(request)),
            **context,
        )

    def act(self, request: HttpRequest, *, code: str) -> HttpResponse:
        """Register the app if the code is valid."""
        key = request.session.get(KEY_IN_SESSION)
        if key is None or not self._may_enrol(request):
            return self.page(request)
        enrolled = second_factor.enrol(self.user(request), key=key, code=code)
        if enrolled is None:
            return self.page(request, errors=[WRONG])
        device, codes = enrolled
        del request.session[KEY_IN_SESSION]
        second_factor.remember(request, device)
        page = self.shown(request, "users/recovery_codes.html", codes=codes)
        known_browsers.remember(request, page, self.user(request))
        return page

    def _may_enrol(self, request: HttpRequest) -> bool:
        """Return whether the user may enrol; a user with an app must first enter a code of it."""
        user: Any = request.user
        return user.is_verified() or not second_factor.has_enrolled(user)
