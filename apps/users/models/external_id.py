"""A client application's own id of a user."""

from django.db import models

from apps.users.models.user import User

EXTERNAL_ID_MAX_LENGTH = 255
CLIENT_MAX_LENGTH = 100


class ExternalId(models.Model):
    """The id that one client uses for a user. All clients share the users, but not these ids."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="external_ids")
    client = models.CharField(max_length=CLIENT_MAX_LENGTH)
    value = models.CharField(max_length=EXTERNAL_ID_MAX_LENGTH)

    class Meta:
        indexes = [
            # For searches of staff, who do not know the client.
            models.Index(fields=["value"], name="users_externalid_any_client"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["client", "value"], name="users_externalid_value"),
            models.UniqueConstraint(fields=["client", "user"], name="users_externalid_user"),
        ]

    def __str__(self) -> str:
        """Return the client without the id."""
        return f"external id of {self.client}"
