"""Forms of the admin, with the same rules as the API and error messages at the fields."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.common import languages
from apps.common.callers import Kind, Scope
from apps.users import addresses, api_keys, timezones, unconfirmed
from apps.users.admin.bases import (
    AccountCreationForm,
    AccountForm,
    ApiKeyForm,
    PasswordForm,
    RowsOfAccount,
    SuppressionModelForm,
)
from apps.users.models import ApiKey, Suppression, User
from apps.users.models.suppression import in_effect

# The fields of the form that ``unconfirmed.void`` clears.
VOIDED = (
    "name",
    "locale",
    "timezone",
    "email_enabled",
    "push_enabled",
    "quiet_from",
    "quiet_to",
)


class LabelledFormSet(RowsOfAccount):
    """Rows of a table whose inputs have names of their own: the heads of columns are no labels."""

    def add_fields(self, form: Any, index: Any) -> None:
        """Name each input of a row after its column."""
        super().add_fields(form, index)
        for name, field in form.fields.items():
            if not field.widget.is_hidden:
                named = field.label or name.replace("_", " ").capitalize()
                field.widget.attrs.setdefault("aria-label", str(named))


class AccountRules(AccountForm):
    """Validation of an account's fields; a base class of the two forms below."""

    def clean_email(self) -> str:
        """Refuse a malformed address and one that another account has in any spelling."""
        email = (self.cleaned_data.get("email") or "").strip()
        problem = addresses.problem_with(email)
        if problem is not None:
            raise ValidationError(problem)
        same_mailbox = addresses.address_key(email) == self.instance.email_key
        if not same_mailbox and unconfirmed.is_taken(email, proven=True):
            raise ValidationError("Another account has this e-mail address.")
        return email

    def clean_locale(self) -> str:
        """Return the canonical language tag; refuse a malformed one."""
        tag = languages.canonical_tag(self.cleaned_data["locale"])
        if tag is None:
            raise ValidationError("Expected a language tag (BCP 47) such as en or pt-BR.")
        return tag

    def clean_timezone(self) -> str:
        """Refuse an unknown time zone."""
        name: str = self.cleaned_data["timezone"]
        if not timezones.is_timezone(name):
            raise ValidationError("Expected a time zone (IANA) such as Africa/Lagos.")
        return name

    def clean(self) -> dict[str, Any]:
        """Refuse quiet hours with only one of start and end."""
        cleaned = super().clean() or {}
        if (cleaned.get("quiet_from") is None) != (cleaned.get("quiet_to") is None):
            self.add_error("quiet_to", "Quiet hours have both a begin and an end.")
        return cleaned

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - Django's signature.
        """Save the account; an address that staff enter counts as confirmed.

        If the account was not confirmed before, only the values that staff have entered are kept.
        """
        account = self.instance
        if "email" in self.changed_data:
            if account._state.adding:
                account.email_confirmed_at = account.created_at
            elif not account.email_confirmed:
                unconfirmed.void(account)
                for name in set(self.changed_data) & set(self.cleaned_data):
                    if name in VOIDED:
                        setattr(account, name, self.cleaned_data[name])
                account.email_confirmed_at = timezone.now()
            account.pending_email = ""
        return super().save(commit=commit)


class AccountAddForm(AccountRules, AccountCreationForm):
    """Create an account, with or without a password."""

    class Meta:
        model = User
        fields = ("name", "email", "locale", "timezone")
        field_classes: dict[str, type[forms.Field]] = {}


class AccountChangeForm(AccountRules):
    """Change an account; the password has a separate page."""

    class Meta:
        model = User
        fields = (
            "name",
            "email",
            "locale",
            "timezone",
            "email_enabled",
            "push_enabled",
            "quiet_from",
            "quiet_to",
            "is_active",
            "is_staff",
            "is_superuser",
            "groups",
            "user_permissions",
        )


class AccountPasswordForm(PasswordForm):
    """Set a password and end all sessions of the account."""

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - Django's signature.
        """Save the password and invalidate all tokens that were issued before."""
        self.user.session_version += 1
        return super().save(commit=commit)


class ApiKeyAddForm(ApiKeyForm):
    """The form for a new API key."""

    client = forms.CharField(required=False, help_text="By default the name of the key.")
    kind = forms.ChoiceField(choices=[(kind.value, kind.value) for kind in Kind])
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = ApiKey
        fields = ("name", "client", "kind", "scopes", "expires_at")

    def clean_client(self) -> str:
        """Return the client, by default the name of the key; refuse reserved names."""
        client = (self.cleaned_data.get("client") or self.cleaned_data.get("name") or "").strip()
        reserved = api_keys.reservation_of(client)
        if reserved is not None:
            raise ValidationError(reserved)
        return client


class SuppressionForm(SuppressionModelForm):
    """Add an address to the suppression list manually."""

    class Meta:
        model = Suppression
        fields = ("address", "note", "expires_at")

    def clean_address(self) -> str:
        """Refuse a malformed address and one that is already on the list."""
        address: str = (self.cleaned_data.get("address") or "").strip()
        problem = addresses.problem_with(address)
        if problem is not None:
            raise ValidationError(problem)
        known = Suppression.objects.filter(in_effect(timezone.now()))
        if known.filter(address_hash=addresses.address_hash(address)).exists():
            raise ValidationError("This address is on the list already.")
        return address
