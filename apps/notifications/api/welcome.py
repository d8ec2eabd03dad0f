"""The front page, and the demo's login link to the sandbox."""

from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache


class SandboxLinks(PasswordResetTokenGenerator):
    """Creates and checks the tokens of the login link. Password reset tokens are not accepted."""

    key_salt = "notifications.sandbox-link"


links = SandboxLinks()


def front_page(request: HttpRequest) -> HttpResponse:
    """Show the front page."""
    return render(request, "front_page.html", {"embedded": settings.EMBEDDED})


def sandbox_link(user: object) -> str:
    """Build a path that logs the demo's account in, once."""
    token = links.make_token(user)  # type: ignore[arg-type] # Any user model.
    return reverse("enter", kwargs={"user_id": user.pk, "token": token})  # type: ignore[attr-defined] # As above.


@never_cache
def enter(request: HttpRequest, user_id: UUID, token: str) -> HttpResponseRedirect:
    """Log the demo's staff user in and redirect to the sandbox. Only in the embedded mode.

    The token depends on the last login, so it is invalid after use.
    """
    user = get_user_model().objects.filter(pk=user_id, is_staff=True, is_active=True).first()
    if not settings.EMBEDDED or user is None:
        raise Http404
    if not links.check_token(user, token):
        return redirect("admin:login")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("sandbox:list")
