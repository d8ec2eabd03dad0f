"""The link in a mail that confirms that an address belongs to the user."""

from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from apps.common.rest.problems import Problem, invalid
from apps.users import unconfirmed
from apps.users.addresses import deliverable
from apps.users.conflicts import conflicts_answered
from apps.users.mail import AccountMail, AccountText, mailer
from apps.users.models import User

SALT = "users.confirm-email"
LINK_LIFETIME_SECONDS = int(unconfirmed.LIFETIME.total_seconds())


def make_token(*, user: User, address: str) -> str:
    """Return a signed token with the user and the address."""
    return signing.dumps([user.pk.hex, address], salt=SALT)


def send(*, user: User, address: str) -> None:
    """Send the link to the address, as part of the current transaction."""
    query = urlencode({"token": make_token(user=user, address=address)})
    link = f"{settings.PUBLIC_URL}{reverse('confirm-email')}?{query}"
    mailer().send(
        AccountMail(
            text=AccountText.CONFIRM_EMAIL,
            user_id=user.pk,
            recipient=deliverable(address),
            name=user.name,
            locale=user.locale,
            timezone=user.timezone,
            link=link,
            expires_at=unconfirmed.link_ends_at(user),
        )
    )


def _refusal() -> Problem:
    return invalid("/token", "invalid_token", "This link is not valid, or not any more.")


def read_token(token: str) -> tuple[UUID, str]:
    """Return the user id and the address of a token.

    Raises:
        Problem: 400 at ``/token`` for a token that is invalid or expired.
    """
    try:
        user_id, address = signing.loads(token, salt=SALT, max_age=LINK_LIFETIME_SECONDS)
    except signing.BadSignature:
        raise _refusal() from None
    return UUID(user_id), address


def confirm(token: str) -> User:
    """Confirm the address of a token. Confirming twice is not an error.

    If another, unconfirmed account has the address, it is deleted: the link proves that the user
    owns the mailbox.

    Raises:
        Problem: 400 at ``/token`` for an invalid token, or if the account no longer has the
            address of the token; 409 if another account has the address now.
    """
    user_id, address = read_token(token)
    with conflicts_answered():
        user = User.objects.select_for_update().filter(pk=user_id, erased_at=None).first()
        if user is None or address not in {user.email, user.pending_email}:
            raise _refusal()
        if unconfirmed.has_expired(user):
            raise _refusal()
        if address == user.pending_email:
            unconfirmed.release_address(address, proven=True, to=user)
            user.email, user.pending_email = address, ""
        user.email_confirmed_at = user.email_confirmed_at or timezone.now()
        user.save()
    return user
