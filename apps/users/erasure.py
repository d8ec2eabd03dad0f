"""Erasing a person: the row stays, empty, for the counts that belong to its id."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from apps.users import second_factor
from apps.users.addresses import address_hash
from apps.users.locales import forget_locale
from apps.users.models import Suppression, User


def erase(user_id: UUID) -> None:
    """Erase personal data, devices, preferences and tokens. Idempotent.

    A suppression of the address stays, as a hash: the mailbox refused us, whoever owns it next.

    Raises:
        RuntimeError: There is no transaction, so that it could be done by half.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("erase() must run inside a transaction")
    user = User.objects.select_for_update().filter(pk=user_id, erased_at=None).first()
    if user is None:
        return
    for address in (user.email, user.pending_email):
        if address:
            Suppression.objects.filter(address_hash=address_hash(address)).update(address="")
    user.devices.all().delete()
    user.category_preferences.all().delete()
    user.external_ids.all().delete()
    OutstandingToken.objects.filter(user=user).delete()
    second_factor.forget(user)
    user.groups.clear()
    user.user_permissions.clear()
    _empty(user)
    transaction.on_commit(lambda: forget_locale(user_id))


def _empty(user: User) -> None:
    blank = User(pk=user.pk)
    blank.set_unusable_password()
    for field in ("name", "pending_email", "locale", "timezone", "email_enabled", "push_enabled"):
        setattr(user, field, getattr(blank, field))
    user.email = None
    user.email_confirmed_at = user.quiet_from = user.quiet_to = user.last_login = None
    user.is_active = user.is_staff = user.is_superuser = False
    user.password = blank.password
    user.session_version += 1
    user.erased_at = timezone.now()
    user.save()
