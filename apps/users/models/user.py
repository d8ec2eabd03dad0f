"""An account: a person who is told, and may log in."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.utils.timezone import now

from apps.common import languages
from apps.common.ids import new_id
from apps.users import addresses, timezones

if TYPE_CHECKING:
    _CharField = models.CharField[str | None, str | None]
else:
    _CharField = models.CharField


ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class AddressKeyField(_CharField):
    """The key of the address in ``email``, written with the row; see ``addresses.address_key``.

    A column of its own, because the databases disagree about the lower case of a text.
    """

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's signature.
        """Derive the value from the address beside it."""
        email = getattr(model_instance, "email", None)
        key = addresses.address_key(email) if email else None
        setattr(model_instance, self.attname, key)
        return key


class UserManager(BaseUserManager["User"]):
    """Makes accounts, and finds them by their address in any spelling."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find an account by its address, without regard to case."""
        return self.get(email_key=addresses.address_key(username or ""))

    def create_user(self, *, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make an account; without a password nobody can log into it."""
        user = User(email=email.strip(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, *, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make an account with every right, as ``manage.py createsuperuser`` does."""
        fields.setdefault("email_confirmed_at", now())
        return self.create_user(
            email=email, password=password, is_staff=True, is_superuser=True, **fields
        )


class User(AbstractBaseUser, PermissionsMixin):
    """One account. Erasing it empties the row and keeps the id, to which the counts belong.

    Attributes:
        email: As it was entered; None when erased.
        email_key: Derived; two accounts never share it.
        email_confirmed_at: When the address was known to be theirs: entered by a client
            application or by staff, or confirmed by its link; a later change of the address
            leaves it. None: it is not written to.
        pending_email: The address that the person wants to change to, until it is confirmed.
        email_enabled: The person takes e-mail. Categories can only narrow it down.
        push_enabled: The same for push.
        quiet_from: Begin of the quiet hours in the person's time zone; None: none.
        quiet_to: Their end.
        session_version: Tokens of an earlier version are refused.
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
            # Housekeeping looks for those that nobody has confirmed in time; erased rows are none.
            models.Index(
                fields=["created_at"],
                name="users_user_unconfirmed",
                condition=models.Q(email_confirmed_at=None, email__isnull=False),
            ),
        ]
        constraints = [
            # Django's authentication asks for it; the constraint that counts is the next.
            models.UniqueConstraint(fields=["email"], name="users_user_email"),
            models.UniqueConstraint(fields=["email_key"], name="users_user_email_key"),
            models.CheckConstraint(
                condition=models.Q(quiet_from=None, quiet_to=None)
                | models.Q(quiet_from__isnull=False, quiet_to__isnull=False),
                name="users_user_quiet_hours_whole",
            ),
        ]

    def __str__(self) -> str:
        """Return the id: the admin's log keeps this for ever, so no personal data."""
        return f"user {self.pk}"

    @property
    def email_confirmed(self) -> bool:
        """Whether the address may be written to."""
        return self.email_confirmed_at is not None

    @property
    def reads_from(self) -> datetime | None:
        """From when on the person reads what was sent to them; None: nothing.

        What was sent before the address was confirmed may be meant for somebody else than who has
        typed it in. An account that was made with a known address never was in that state.
        """
        if self.email_confirmed_at is None or self.email_confirmed_at > self.created_at:
            return self.email_confirmed_at
        return ALWAYS

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Leave the address to the database and to the forms, which know who gives way."""
        super().validate_constraints(exclude={*(exclude or ()), "email"})

    def get_full_name(self) -> str:
        """Return the name, for Django's admin."""
        return self.name

    def get_short_name(self) -> str:
        """Return the name, for the greeting of Django's admin."""
        return self.name
