"""An account: a user who receives notifications and may log in."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils.timezone import now

from apps.common import languages
from apps.common.ids import new_id
from apps.common.postgresql.bytewise import Bytewise
from apps.users import addresses, timezones

if TYPE_CHECKING:
    _CharField = models.CharField[str | None, str | None]
else:
    _CharField = models.CharField


ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class AddressKeyField(_CharField):
    """The key of the address in ``email``, set when the row is saved; see ``address_key``.

    It has its own column, because databases differ in how they convert text to lower case.
    """

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's signature.
        """Derive the value from the ``email`` field."""
        email = getattr(model_instance, "email", None)
        key = addresses.address_key(email) if email else None
        setattr(model_instance, self.attname, key)
        return key


class UserManager(BaseUserManager["User"]):
    """Create accounts, and find them by their address in any spelling."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the account of an address, independent of upper and lower case."""
        return self.get(email_key=addresses.address_key(username or ""))

    def create_user(self, *, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an account; without a password its login is disabled."""
        user = User(email=email.strip(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, *, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an account with all rights, for ``manage.py createsuperuser``."""
        fields.setdefault("email_confirmed_at", now())
        return self.create_user(
            email=email, password=password, is_staff=True, is_superuser=True, **fields
        )


class User(AbstractBaseUser, PermissionsMixin):
    """One account. Erasing it clears the row but keeps the id, because counts refer to it.

    Attributes:
        email: The address as it was entered; None after an erasure.
        email_key: Derived from ``email``; unique.
        email_confirmed_at: When the address was first confirmed: a client application or staff
            entered it, or the user opened its link. A later change of the address does not change
            it. None: no mail is sent to the address.
        pending_email: The address that the user wants to change to, until it is confirmed.
        email_enabled: Whether the user accepts e-mail. Categories can only restrict it.
        push_enabled: The same for push.
        quiet_from: Start of the quiet hours in the user's time zone; None: no quiet hours.
        quiet_to: End of the quiet hours.
        session_version: Tokens with an earlier version are refused.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    email = models.CharField("e-mail address", max_length=addresses.MAX_LENGTH, null=True)
    email_key = AddressKeyField(max_length=320, null=True, editable=False)
    email_confirmed_at = models.DateTimeField(null=True, blank=True)
    pending_email = models.CharField(max_length=addresses.MAX_LENGTH, blank=True, default="")
    locale = models.CharField(max_length=languages.MAX_LENGTH, default="en")
    timezone = models.CharField(max_length=timezones.MAX_LENGTH, default="UTC")
    email_enabled = models.BooleanField(default=True)
    push_enabled = models.BooleanField(default=True)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    is_active = models.BooleanField(
        "active", default=True, help_text="May log in. Does not stop notifications."
    )
    is_staff = models.BooleanField("staff", default=False)
    session_version = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects = UserManager()

    class Meta:
        indexes = [
            # For the purge of accounts that were not confirmed in time; excludes erased rows.
            models.Index(
                fields=["created_at"],
                name="users_user_unconfirmed",
                condition=models.Q(email_confirmed_at=None, email__isnull=False),
            ),
            # For searches of staff: the beginning of a name or an address.
            models.Index(Bytewise(Lower("name")), name="users_user_name_prefix"),
            models.Index(Bytewise("email_key"), name="users_user_address_prefix"),
            # For the lists of those with rights, who are few.
            models.Index(
                fields=["-id"], name="users_user_staff", condition=models.Q(is_staff=True)
            ),
            models.Index(
                fields=["-id"], name="users_user_superuser", condition=models.Q(is_superuser=True)
            ),
        ]
        constraints = [
            # Django's authentication requires this one; the next one is the effective constraint.
            models.UniqueConstraint(fields=["email"], name="users_user_email"),
            models.UniqueConstraint(fields=["email_key"], name="users_user_email_key"),
            models.CheckConstraint(
                condition=models.Q(quiet_from=None, quiet_to=None)
                | models.Q(quiet_from__isnull=False, quiet_to__isnull=False),
                name="users_user_quiet_hours_whole",
            ),
        ]

    def __str__(self) -> str:
        """Return the id. The admin log keeps this text forever, so it has no personal data."""
        return f"user {self.pk}"

    @property
    def email_confirmed(self) -> bool:
        """Whether mail may be sent to the address."""
        return self.email_confirmed_at is not None

    @property
    def reads_from(self) -> datetime | None:
        """The user may read notifications that were sent since this time; None: none.

        Notifications from before the confirmation may be meant for the owner of the address and
        not for the user who entered it. An account that was created with a confirmed address was
        never in that state.
        """
        if self.email_confirmed_at is None or self.email_confirmed_at > self.created_at:
            return self.email_confirmed_at
        return ALWAYS

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Skip the address. Database and forms check it; an unconfirmed account may be replaced."""
        super().validate_constraints(exclude={*(exclude or ()), "email"})

    def get_full_name(self) -> str:
        """Return the name, for Django's admin."""
        return self.name

    def get_short_name(self) -> str:
        """Return the name, for the greeting of Django's admin."""
        return self.name
