"""The front page, and the demo's login link to the sandbox."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache

from apps.notifications.api.demo_examples import demo_user_id

SANDBOX = "sandbox"
# The key is read from the file of the demo, so that the page, which anybody may see, does not tell
# it.
DEMO_KEY = "$(sed -n 's/^DEMO_API_KEY=//p' var/demo.env)"
COMMAND = """\
curl -sS {address} \\
  -H "Authorization: Api-Key {key}" \\
  -H 'Content-Type: application/json' \\
  -d '{{"notification_type": "email", "template_code": "welcome",
       "user_id": "{user_id}",
       "variables": {{"name": "Ada", "link": "https://example.com"}}}}'"""


class SandboxLinks(PasswordResetTokenGenerator):
    """Creates and checks the tokens of the login link. Password reset tokens are not accepted."""

    key_salt = "notifications.sandbox-link"


links = SandboxLinks()


@dataclass(frozen=True, kw_only=True)
class Sending:
    """What becomes of the messages of a channel.

    Attributes:
        title: The channel, as people call it.
        real: The providers that really send, the first one first.
        keeps: Whether the sandbox is among the providers.
    """

    title: str
    real: Sequence[str]
    keeps: bool


def sending() -> Iterator[Sending]:
    """Yield what becomes of the messages of each channel."""
    configured = {"E-mail": settings.EMAIL_PROVIDERS, "Push": settings.PUSH_PROVIDERS}
    for title, names in configured.items():
        real = [name for name in names if name != SANDBOX]
        yield Sending(title=title, real=real, keeps=SANDBOX in names)


def headline(channels: Sequence[Sending]) -> str:
    """Return in one sentence which mode runs."""
    if all(channel.real for channel in channels):
        return "This installation is live: it really sends."
    if any(channel.real for channel in channels):
        return "This installation is live for one channel, and a sandbox for the other."
    if settings.EMBEDDED:
        return "This is the embedded sandbox: one process, and nothing leaves this server."
    return "This installation is a sandbox: nothing leaves this server."


def front_page(request: HttpRequest) -> HttpResponse:
    """Show which mode runs, what really sends, how to send the first message, and the links."""
    user_id = demo_user_id()
    channels = list(sending())
    context = {
        "headline": headline(channels),
        "channels": channels,
        "user_id": user_id,
        "command": COMMAND.format(
            address=f"{settings.PUBLIC_URL}{reverse('notifications')}",
            key=DEMO_KEY if user_id else "YOUR_KEY",
            user_id=user_id or "USER_ID",
        ),
        "keys": reverse("admin:users_apikey_changelist"),
        "users": reverse("users"),
        "sees_sandbox": any(channel.keeps for channel in channels),
        "version": settings.VERSION,
    }
    return render(request, "front_page.html", context)


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
