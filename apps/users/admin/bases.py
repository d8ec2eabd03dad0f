"""Django's generic classes with their model, for the type checker only."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.forms.models import BaseInlineFormSet

from apps.users.models import ApiKey, CategoryPreference, Device, ExternalId, Suppression, User

if TYPE_CHECKING:
    AccountForm = forms.ModelForm[User]
    ApiKeyForm = forms.ModelForm[ApiKey]
    SuppressionModelForm = forms.ModelForm[Suppression]
    AccountCreationForm = AdminUserCreationForm[User]
    PasswordForm = AdminPasswordChangeForm[User]
    AccountModelAdmin = UserAdmin[User]
    ApiKeyModelAdmin = admin.ModelAdmin[ApiKey]
    SuppressionModelAdmin = admin.ModelAdmin[Suppression]
    Devices = admin.TabularInline[Device, User]
    CategoryPreferences = admin.TabularInline[CategoryPreference, User]
    ExternalIds = admin.TabularInline[ExternalId, User]
    RowsOfAccount = BaseInlineFormSet[Any, User, Any]
else:
    AccountForm = ApiKeyForm = SuppressionModelForm = forms.ModelForm
    AccountCreationForm = AdminUserCreationForm
    PasswordForm = AdminPasswordChangeForm
    AccountModelAdmin = UserAdmin
    ApiKeyModelAdmin = SuppressionModelAdmin = admin.ModelAdmin
    Devices = CategoryPreferences = ExternalIds = admin.TabularInline
    RowsOfAccount = BaseInlineFormSet

__all__ = [
    "AccountCreationForm",
    "AccountForm",
    "AccountModelAdmin",
    "ApiKeyForm",
    "ApiKeyModelAdmin",
    "CategoryPreferences",
    "Devices",
    "ExternalIds",
    "PasswordForm",
    "RowsOfAccount",
    "SuppressionModelAdmin",
    "SuppressionModelForm",
]
