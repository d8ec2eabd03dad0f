"""Reset a forgotten password by a link that is sent to the confirmed address."""

from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from apps.common.rest.problems import Problem, invalid
from apps.users import passwords
from apps.users.addresses import address_key, deliverable
from apps.users.mail import AccountMail, AccountText, mailer
from apps.users.models import User

# The recipient of the pretended mail for an unknown address. Nothing is ever sent to it.
PLACEHOLDER_ADDRESS = "nobody@example.invalid"


def make_token(user: User) -> str:
    """Return the token of a link. A change of the password or the address invalidates it."""
    return f"{user.pk.hex}.{default_token_generator.make_token(user)}"


def request(email: str) -> None:
    """Send a link to a confirmed address.

    The caller cannot find out whether there is an account: for an unknown address the same
    statements are executed and committed, and the row is rolled back in between. An insert and its
    commit take milliseconds, which a caller could measure.
    """
    user = User.objects.filter(
        email_key=address_key(email), is_active=True, email_confirmed_at__isnull=False
    ).first()
    if user is None:
        mailer().pretend(_mail_to(User(name="Nobody", email=PLACEHOLDER_ADDRESS)))
    else:
        mailer().send(_mail_to(user))


def _mail_to(user: User) -> AccountMail:
    query = urlencode({"token": make_token(user)})
    return AccountMail(
        text=AccountText.RESET_PASSWORD,
        user_id=user.pk,
        recipient=deliverable(user.email or ""),
        name=user.name,
        locale=user.locale,
        timezone=user.timezone,
        link=f"{settings.PUBLIC_URL}{reverse('reset-password')}?{query}",
        expires_at=timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT),
    )


def _refusal() -> Problem:
    return invalid("/token", "invalid_token", "This link is not valid, or not any more.")


def owner_of(token: str) -> User:
    """Return the user of a token.

    Raises:
        Problem: 400 at ``/token`` for an invalid token.
    """
    user_id, _, rest = token.partition(".")
    try:
        user = User.objects.filter(pk=UUID(user_id), is_active=True, erased_at=None).first()
    except ValueError:
        user = None
    if user is None or not default_token_generator.check_token(user, rest):
        raise _refusal()
    return user


def confirm(*, token: str, password: str) -> User:
    """Set the new password and invalidate all login tokens that were issued before.

    Raises:
        Problem: 400 for an invalid token or a weak password, 503 when too many passwords are being
            hashed.
    """
    user = owner_of(token)
    before = user.password
    passwords.refuse_weak(password, user=user)
    passwords.set_hash(user, password, trusted=False)
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        if row.password != before:  # The password was changed while the new one was hashed.
            raise _refusal()
        row.password = user.password
        row.session_version += 1
        row.save(update_fields=["password", "session_version", "updated_at"])
    return row
