"""The link by which a person shows that an address is theirs."""

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
    """Sign who claims which address."""
    return signing.dumps([user.pk.hex, address], salt=SALT)


def send(*, user: User, address: str) -> None:
    """Mail the link to the address, as part of the transaction at hand."""
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
    """Return who claims which address.

    Raises:
        Problem: 400 at ``/token`` for a token that is not ours or too old.
    """
    try:
        user_id, address = signing.loads(token, salt=SALT, max_age=LINK_LIFETIME_SECONDS)
    except signing.BadSignature:
        raise _refusal() from None
    return UUID(user_id), address


def confirm(token: str) -> User:
    """Take the address into use. Confirming twice is no error.

    An unconfirmed account that holds the address gives way: whoever has the link has the mailbox.

    Raises:
        Problem: 400 at ``/token`` for a token that is no good, or whose address the account does
            not claim any more; 409 where another account has got the address since.
    """
    user_id, address = read_token(token)
    with conflicts_answered():
        user = User.objects.select_for_update().filter(pk=user_id, erased_at=None).first()
        if user is None or address not in {user.email, user.pending_email}:
            raise _refusal()
        if unconfirmed.has_run_out(user):
            raise _refusal()
        if address == user.pending_email:
            unconfirmed.give_way(address, proven=True, to=user)
            user.email, user.pending_email = address, ""
        user.email_confirmed_at = user.email_confirmed_at or timezone.now()
        user.save()
    return user
