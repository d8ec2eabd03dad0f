"""Django's admin of accounts, API keys and the suppression list."""

from django.contrib import admin
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_simplejwt.token_blacklist import admin as _registered  # noqa: F401 - both models.
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from apps.users.admin.api_keys import ApiKeyAdmin
from apps.users.admin.suppressions import SuppressionAdmin
from apps.users.admin.users import AccountAdmin

# The library's pages show the secrets of other users. Use the reset action of the account instead.
admin.site.unregister([TOTPDevice, StaticDevice])
# Rows of the implementation: a session of an app ends with a logout, a new password or its account.
admin.site.unregister([OutstandingToken, BlacklistedToken])

__all__ = [
    "AccountAdmin",
    "ApiKeyAdmin",
    "SuppressionAdmin",
]
