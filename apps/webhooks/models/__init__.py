"""The tables of the webhooks."""

from apps.webhooks.models.delivery import Delivery, DeliveryState
from apps.webhooks.models.endpoint import DisabledReason, Endpoint
from apps.webhooks.models.total import Total

__all__ = ["Delivery", "DeliveryState", "DisabledReason", "Endpoint", "Total"]
