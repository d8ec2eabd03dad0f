"""One-click unsubscribe (RFC 8058): signed links that contain a user and a category."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.core import signing

SALT = "notifications.unsubscribe"


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """The subscription that a link cancels: one category of mail to one user."""

    user_id: UUID
    category: str


def token_for(subscription: Subscription) -> str:
    """Sign a subscription.

    The link is valid while its key is ``SECRET_KEY``, and afterwards while the key is in
    ``SECRET_KEY_FALLBACKS``.
    """
    return signing.dumps([subscription.user_id.hex, subscription.category], salt=SALT)


def read_token(token: str) -> Subscription | None:
    """Verify a token and return its subscription; None for an invalid token."""
    try:
        user_id, category = signing.loads(token, salt=SALT)
        return Subscription(user_id=UUID(user_id), category=str(category))
    except (signing.BadSignature, ValueError, TypeError):
        return None


def headers_for(subscription: Subscription) -> dict[str, str]:
    """Build the unsubscribe headers of a mail.

    One click is offered for HTTPS only, as RFC 8058 (3.1) requires.
    """
    headers = {"List-Unsubscribe": f"<{link_for(subscription)}>"}
    if settings.PUBLIC_URL.startswith("https://"):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def link_for(subscription: Subscription) -> str:
    """Return the address of the page that cancels a subscription."""
    return f"{settings.PUBLIC_URL}/unsubscribe/{token_for(subscription)}"
