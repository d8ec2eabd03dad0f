"""Django's admin of accounts, API keys and the suppression list."""

from django.contrib import admin
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.users.admin.api_keys import ApiKeyAdmin
from apps.users.admin.suppressions import SuppressionAdmin
from apps.users.admin.tokens import BlacklistedTokens, OutstandingTokens
from apps.users.admin.users import AccountAdmin

# The library's pages show the secrets of other users. Use the reset action of the account instead.
admin.site.unregister([TOTPDevice, StaticDevice])

__all__ = [
    "AccountAdmin",
    "ApiKeyAdmin",
    "BlacklistedTokens",
    "OutstandingTokens",
    "SuppressionAdmin",
]
