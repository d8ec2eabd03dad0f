"""Erase a user: the row is cleared but kept, because counts refer to its id."""

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from apps.users.addresses import address_hash
from apps.users.locales import forget_locale
from apps.users.models import Suppression, User
from apps.users.staff import second_factor


def erase_elsewhere(user_id: UUID) -> None:
    """Erase the data of a user in other apps, by the functions that ``USER_ERASERS`` names.

    They are called inside the erasure's transaction, and are idempotent.
    """
    for path in settings.USER_ERASERS:
        import_string(path)(user_id)


def erase(user_id: UUID) -> None:
    """Erase personal data, devices, preferences, tokens and sent notifications. Idempotent.

    A suppression of the address is kept as a hash, because the mailbox refused our mail. This also
    applies to the next owner of the address.

    Raises:
        RuntimeError: There is no transaction, so the erasure could be incomplete.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("erase() must run inside a transaction")
    erase_elsewhere(user_id)
    user = User.objects.select_for_update().filter(pk=user_id, erased_at=None).first()
    if user is None:
        return
    for address in (user.email, user.pending_email):
        if address:
            listed = Suppression.objects.filter(address_hash=address_hash(address))
            listed.update(address="", note="")
    delete_belongings(user)
    user.groups.clear()
    user.user_permissions.clear()
    blank(user)
    user.email = user.email_confirmed_at = None
    user.is_active = user.is_staff = user.is_superuser = False
    user.erased_at = timezone.now()
    user.save()


def delete_belongings(user: User) -> None:
    """Delete the related data of a user: devices, preferences, external ids, tokens, codes."""
    user_id = user.pk
    user.devices.all().delete()
    user.category_preferences.all().delete()
    user.external_ids.all().delete()
    OutstandingToken.objects.filter(user=user).delete()
    second_factor.forget(user)
    transaction.on_commit(lambda: forget_locale(user_id))


def blank(user: User) -> None:
    """Clear the profile, disable login and end all sessions. The caller saves the row."""
    empty = User(pk=user.pk)
    empty.set_unusable_password()
    for field in ("name", "pending_email", "locale", "timezone", "email_enabled", "push_enabled"):
        setattr(user, field, getattr(empty, field))
    user.quiet_from = user.quiet_to = user.last_login = None
    user.password = empty.password
    user.session_version += 1
