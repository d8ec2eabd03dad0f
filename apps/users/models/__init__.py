"""The models: fields, constraints and derived properties, without business logic."""

from apps.users.models.api_key import ApiKey
from apps.users.models.device import Device
from apps.users.models.external_id import ExternalId
from apps.users.models.preference import CategoryPreference
from apps.users.models.suppression import Suppression, SuppressionReason
from apps.users.models.user import User

__all__ = [
    "ApiKey",
    "CategoryPreference",
    "Device",
    "ExternalId",
    "Suppression",
    "SuppressionReason",
    "User",
]
