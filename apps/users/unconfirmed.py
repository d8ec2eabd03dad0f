"""Accounts with an unconfirmed address, which may belong to somebody else.

Such an account does not block the address for long. It is deleted when another user has proven that
the address is theirs, or when the link in the mail has expired.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.common.rest.problems import Problem
from apps.users import erasure
from apps.users.addresses import address_key
from apps.users.models import User

# The lifetime of the link and of the unconfirmed account. Requesting a new link does not extend it;
# otherwise a user could block somebody else's address forever.
LIFETIME = timedelta(days=3)
# The condition of ``accounts``.
GIVING_WAY = Q(email_confirmed_at=None, email__isnull=False, is_staff=False, is_superuser=False)


def accounts() -> QuerySet[User]:
    """Return the unconfirmed accounts that may be deleted. Staff accounts are excluded.

    Staff accounts were given their rights on purpose.
    """
    return User.objects.filter(GIVING_WAY)


def expired_before() -> datetime:
    """Return the cut-off time: links of accounts that were created before it have expired."""
    return timezone.now() - LIFETIME


def has_expired(user: User) -> bool:
    """Return whether the time to confirm the address has expired."""
    return not user.email_confirmed and user.created_at < expired_before()


def link_ends_at(user: User) -> datetime:
    """Return when a link that is sent now expires."""
    return (timezone.now() if user.email_confirmed else user.created_at) + LIFETIME


def is_taken(email: str, *, proven: bool) -> bool:
    """Return whether an account has this address, in any spelling, and may not be deleted for it.

    Args:
        email: The address.
        proven: Whether a client application or staff has given the address for the new owner, or
            its link proves or will prove the owner.
    """
    holder = User.objects.filter(email_key=address_key(email)).first()
    if holder is None:
        return False
    return not (accounts().filter(pk=holder.pk).exists() and (proven or has_expired(holder)))


def release_address(email: str, *, proven: bool, to: User) -> None:
    """Delete another unconfirmed account that has an address, inside the caller's transaction.

    An account that may not be deleted is not changed; the database then refuses the second account
    with the address.

    Args:
        email: The address.
        proven: As in ``is_taken``.
        to: The user who gets the address; this account is not deleted.
    """
    holders = accounts().filter(email_key=address_key(email)).exclude(pk=to.pk)
    if not proven:
        holders = holders.filter(created_at__lt=expired_before())
    holder = holders.values_list("pk", flat=True).first()
    if holder is not None:
        delete(holder)


def delete(user_id: UUID) -> bool:
    """Delete an unconfirmed account with its related data, and erase its notifications.

    Returns:
        False if the account was confirmed or does not exist; then nothing is changed.
    """
    with transaction.atomic():
        # Use the same order as an erasure, so that the two cannot deadlock.
        erasure.erase_elsewhere(user_id)
        user = accounts().select_for_update().filter(pk=user_id).first()
        if user is None:
            transaction.set_rollback(True)
            return False
        erasure.delete_belongings(user)
        user.delete()
    return True


def void(user: User) -> None:
    """Clear all data that was set on an account before its address was confirmed.

    Name, password, language, preferences, devices and external ids come from the user who entered
    the address. All sessions end. The caller must lock the row before and save it afterwards.
    """
    erasure.delete_belongings(user)
    erasure.blank(user)


def refuse_device(user_id: UUID) -> None:
    """Refuse devices for unconfirmed accounts, because a token would be removed from its owner.

    Raises:
        Problem: 409 if the account is not confirmed.
    """
    if User.objects.filter(pk=user_id, email_confirmed_at=None).exists():
        detail = "The e-mail address of this account has to be confirmed first."
        raise Problem(409, detail, code="unconfirmed")
