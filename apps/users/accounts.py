"""Create and change accounts. A violated unique constraint becomes a 409 conflict."""

from dataclasses import dataclass
from typing import TypedDict

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.common.rest.problems import Problem, invalid
from apps.users import confirmations, devices, passwords, unconfirmed
from apps.users.addresses import address_key
from apps.users.conflicts import address_taken, conflicts_answered
from apps.users.locales import forget_locale
from apps.users.models import ExternalId, User
from apps.users.models.device import Platform


@dataclass(frozen=True, kw_only=True, slots=True)
class NewAccount:
    """The data of a new account; see ``apps.users.models.User``."""

    name: str
    email: str
    password: str | None = None
    locale: str = "en"
    timezone: str = "UTC"
    email_enabled: bool = True
    push_enabled: bool = True
    external_id: str | None = None
    push_token: str | None = None
    platform: Platform | None = None


class AccountChanges(TypedDict, total=False):
    """The fields that a change may set; absent fields are not changed."""

    name: str
    email: str
    password: str
    current_password: str
    locale: str
    timezone: str
    email_enabled: bool
    push_enabled: bool
    external_id: str | None
    push_token: str
    platform: Platform


@dataclass(frozen=True, kw_only=True, slots=True)
class Editor:
    """The caller that creates or changes an account.

    Attributes:
        client: The client application, which owns the external id; None for end users.
        trusted: Whether the caller is a client application or staff. Its e-mail addresses need no
            confirmation. Other callers confirm an address by a link, and must give their current
            password to change credentials.
    """

    client: str | None
    trusted: bool


def create(*, new: NewAccount, editor: Editor) -> User:
    """Create an account, with its device and external id if given.

    An unconfirmed account with the same address is deleted first, if the caller is trusted or if
    the confirmation link of that account has expired.

    Raises:
        Problem: 400 for a weak password, 409 for an address or external id that is taken, 503
            when too many passwords are being hashed.
    """
    user = unsaved(new=new, editor=editor)
    if new.password is not None:
        passwords.refuse_weak(new.password, user=user)
        if unconfirmed.is_taken(new.email, proven=editor.trusted):
            # Check this before a core spends a tenth of a second on the hash.
            raise address_taken()
    passwords.set_hash(user, new.password, trusted=editor.trusted)
    with conflicts_answered():
        unconfirmed.release_address(new.email, proven=editor.trusted, to=user)
        user.save(force_insert=True)
        if new.external_id is not None:
            _set_external_id(user, editor, new.external_id)
        if new.push_token is not None:
            devices.register(user_id=user.pk, token=new.push_token, platform=new.platform)
        if not user.email_confirmed:
            confirmations.send(user=user, address=new.email)
    return user


def unsaved(*, new: NewAccount, editor: Editor) -> User:
    """Return the row of a new account, without a password, that nothing has stored yet."""
    now = timezone.now()
    return User(
        name=new.name,
        email=new.email,
        email_confirmed_at=now if editor.trusted or settings.EMBEDDED else None,
        created_at=now,
        locale=new.locale,
        timezone=new.timezone,
        email_enabled=new.email_enabled,
        push_enabled=new.push_enabled,
    )


def change(*, user: User, changes: AccountChanges, editor: Editor) -> None:
    """Change an account.

    An address from a trusted caller confirms an unconfirmed account. All data that was set on it
    before is cleared, because it may come from someone who does not own the address.

    Args:
        user: The account as it was read; only the fields in ``changes`` are written.
        changes: The new values.
        editor: The caller.

    Raises:
        Problem: 400 for a weak password or a current password that is missing or wrong, 409 for
            an address or external id that is taken, 503 when too many passwords are being hashed.
    """
    _authorise(user, changes, editor)
    if "password" in changes:
        candidate = User(name=user.name, email=changes.get("email", user.email))
        passwords.refuse_weak(changes["password"], user=candidate)
        passwords.set_hash(user, changes["password"], trusted=editor.trusted)
    with conflicts_answered():
        row = User.objects.select_for_update().filter(pk=user.pk, erased_at=None).first()
        if row is None:  # Erased since the request has read the account.
            raise Problem(404, "There is no such user.")
        row_id = row.pk
        if editor.trusted and "email" in changes and not row.email_confirmed:
            unconfirmed.void(row)
        if "password" in changes:
            row.password = user.password
            row.session_version += 1
        for field in ("name", "locale", "timezone", "email_enabled", "push_enabled"):
            if field in changes:
                setattr(row, field, changes[field])
        if "email" in changes:
            _change_email(row, changes["email"], editor)
        row.save()
        if "external_id" in changes:
            _set_external_id(row, editor, changes["external_id"])
        if "push_token" in changes:
            devices.register(
                user_id=row.pk, token=changes["push_token"], platform=changes.get("platform")
            )
        transaction.on_commit(lambda: forget_locale(row_id))


def changes_credentials(user: User, changes: AccountChanges) -> bool:
    """Return whether the change affects the address or the password."""
    new_email = changes.get("email", user.email)
    return "password" in changes or new_email != user.email


def _authorise(user: User, changes: AccountChanges, editor: Editor) -> None:
    if editor.trusted or not changes_credentials(user, changes):
        return
    current = changes.get("current_password")
    if current is None:
        detail = "Changing the e-mail address or the password needs the current password."
        raise invalid("/current_password", "required", detail)
    if not passwords.matches(user, current):
        raise invalid("/current_password", "wrong_password", "This is not the current password.")


def _change_email(row: User, email: str, editor: Editor) -> None:
    confirmed = editor.trusted or settings.EMBEDDED
    same_mailbox = address_key(email) == row.email_key
    if confirmed or (same_mailbox and row.email_confirmed):
        unconfirmed.release_address(email, proven=editor.trusted, to=row)
        row.email, row.pending_email = email, ""
        # Keep the first time: the user may read notifications that were sent since then.
        row.email_confirmed_at = row.email_confirmed_at or timezone.now()
        return
    if not same_mailbox:
        if unconfirmed.is_taken(email, proven=True):
            raise address_taken()
        row.pending_email = email
    confirmations.send(user=row, address=email)


def _set_external_id(user: User, editor: Editor, value: str | None) -> None:
    if editor.client is None:
        return
    if value is None:
        ExternalId.objects.filter(client=editor.client, user=user).delete()
        return
    ExternalId.objects.update_or_create(client=editor.client, user=user, defaults={"value": value})
