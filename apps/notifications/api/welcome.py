"""What a person meets first: the front page, and the demo's link into the sandbox."""

from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache


class SandboxLinks(PasswordResetTokenGenerator):
    """Makes and checks the tokens of the link; those of a link to a new password are no good."""

    key_salt = "notifications.sandbox-link"


links = SandboxLinks()


def front_page(request: HttpRequest) -> HttpResponse:
    """Show where to go."""
    return render(request, "front_page.html", {"embedded": settings.EMBEDDED})


def sandbox_link(user: object) -> str:
    """Make a path that logs this account of the demo in, once."""
    token = links.make_token(user)  # type: ignore[arg-type] # Any user model.
    return reverse("enter", kwargs={"user_id": user.pk, "token": token})  # type: ignore[attr-defined] # As above.


@never_cache
def enter(request: HttpRequest, user_id: UUID, token: str) -> HttpResponseRedirect:
    """Log the demo's staff in and go to the sandbox. Only in the embedded mode.

    The token depends on the last login, so that using the link makes it void.
    """
    user = get_user_model().objects.filter(pk=user_id, is_staff=True, is_active=True).first()
    if not settings.EMBEDDED or user is None:
        raise Http404
    if not links.check_token(user, token):
        return redirect("admin:login")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("sandbox:list")
