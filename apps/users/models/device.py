"""A device that receives push messages."""

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id
from apps.users.models.user import User

# PostgreSQL indexes at most 2,704 bytes. FCM tokens are shorter than 300 bytes, without a
# documented maximum.
TOKEN_MAX_LENGTH = 2048


class Platform(models.TextChoices):
    """The platform of the device."""

    ANDROID = "android"
    IOS = "ios"
    WEB = "web"


class Device(models.Model):
    """One device. A token belongs to one user at a time.

    Attributes:
        token: The provider's registration token.
        last_seen_at: When the token was last registered.
        retired_at: When a provider reported the token as invalid; such a device is not used.
        retired_reason: The provider's reason, such as ``unregistered``.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices")
    token = models.CharField(max_length=TOKEN_MAX_LENGTH)
    platform = models.CharField(max_length=10, choices=Platform.choices, default=Platform.ANDROID)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_reason = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token"], name="users_device_token"),
        ]

    def __str__(self) -> str:
        """Return the platform and id."""
        return f"{self.platform} device {self.pk}"

    @property
    def active(self) -> bool:
        """Whether push messages are sent to the device."""
        return self.retired_at is None
