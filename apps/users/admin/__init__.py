"""Django's admin of accounts, API keys and the suppression list."""

from apps.users.admin.api_keys import ApiKeyAdmin
from apps.users.admin.suppressions import SuppressionAdmin
from apps.users.admin.users import AccountAdmin

__all__ = ["AccountAdmin", "ApiKeyAdmin", "SuppressionAdmin"]
