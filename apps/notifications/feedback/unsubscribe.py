"""One-click unsubscribe (RFC 8058): signed links that name a recipient and a category."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.core import signing

SALT = "notifications.unsubscribe"


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """What one link ends: one category of mail to one user."""

    user_id: UUID
    category: str


def token_for(subscription: Subscription) -> str:
    """Sign a subscription. The link works for as long as the installation knows its key.

    That is while the key is ``SECRET_KEY``, and afterwards while it is in ``SECRET_KEY_FALLBACKS``.
    """
    return signing.dumps([subscription.user_id.hex, subscription.category], salt=SALT)


def read_token(token: str) -> Subscription | None:
    """Read a token; None where it is not one of ours."""
    try:
        user_id, category = signing.loads(token, salt=SALT)
        return Subscription(user_id=UUID(user_id), category=str(category))
    except (signing.BadSignature, ValueError, TypeError):
        return None


def headers_for(subscription: Subscription) -> dict[str, str]:
    """Make the two headers of a mail that can be unsubscribed from."""
    return {
        "List-Unsubscribe": f"<{settings.PUBLIC_URL}/unsubscribe/{token_for(subscription)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
