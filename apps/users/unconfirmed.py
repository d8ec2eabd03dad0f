"""Accounts whose address nobody has confirmed: a stranger has typed it in, perhaps not the owner.

Such an account keeps nobody out for long. It gives way to whoever has shown that the address is
theirs, and is gone when the link in the mail has run out.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.common.rest.problems import Problem
from apps.users import erasure
from apps.users.addresses import address_key
from apps.users.models import User

# How long the link works, and the account waits for it. A link that is asked for again does not
# prolong it, or somebody could hold a stranger's address for ever.
LIFETIME = timedelta(days=3)


def accounts() -> QuerySet[User]:
    """Return the accounts that give way. Those of staff do not: somebody has given them rights."""
    return User.objects.filter(
        email_confirmed_at=None, email__isnull=False, is_staff=False, is_superuser=False
    )


def run_out_before() -> datetime:
    """Return when the accounts were made whose links run out now."""
    return timezone.now() - LIFETIME


def has_run_out(user: User) -> bool:
    """Tell whether the time to confirm the address is over."""
    return not user.email_confirmed and user.created_at < run_out_before()


def link_ends_at(user: User) -> datetime:
    """Return until when a link that is mailed now works."""
    return (timezone.now() if user.email_confirmed else user.created_at) + LIFETIME


def is_taken(email: str, *, proven: bool) -> bool:
    """Tell whether an account has this address, in any spelling, that does not give way.

    Args:
        email: The address.
        proven: A client application or staff says whose it is, or its link will show it.
    """
    holder = User.objects.filter(email_key=address_key(email)).first()
    if holder is None:
        return False
    return not (accounts().filter(pk=holder.pk).exists() and (proven or has_run_out(holder)))


def give_way(email: str, *, proven: bool, to: User) -> None:
    """Delete the unconfirmed account that holds an address, inside the caller's transaction.

    What cannot give way is left alone; the database then refuses the second account.

    Args:
        email: The address.
        proven: As in ``is_taken``.
        to: Who gets the address, and is not deleted.
    """
    holders = accounts().filter(email_key=address_key(email)).exclude(pk=to.pk)
    if not proven:
        holders = holders.filter(created_at__lt=run_out_before())
    holder = holders.values_list("pk", flat=True).first()
    if holder is not None:
        delete(holder)


def delete(user_id: UUID) -> bool:
    """Delete an unconfirmed account with all that hangs on it, and erase what was sent to it.

    Returns:
        False, and nothing is changed, where the account was confirmed or is gone.
    """
    with transaction.atomic():
        # In the order of an erasure, so that neither waits for the other.
        erasure.erase_elsewhere(user_id)
        user = accounts().select_for_update().filter(pk=user_id).first()
        if user is None:
            transaction.set_rollback(True)
            return False
        erasure.forget_possessions(user)
        user.delete()
    return True


def void(user: User) -> None:
    """Take back what was set before the address was known to be theirs, on the row and beside it.

    Name, password, language, preferences, devices and external ids are those of whoever typed the
    address in. Every session ends. The caller has locked the row and saves it.
    """
    erasure.forget_possessions(user)
    erasure.blank(user)


def refuse_device(user_id: UUID) -> None:
    """Keep unconfirmed accounts from registering devices: a token would leave its owner for them.

    Raises:
        Problem: 409.
    """
    if User.objects.filter(pk=user_id, email_confirmed_at=None).exists():
        detail = "The e-mail address of this account has to be confirmed first."
        raise Problem(409, detail, code="unconfirmed")
