"""The category preferences of a user."""

from django.db import models

from apps.users.models.user import User

CATEGORY_MAX_LENGTH = 64


class CategoryPreference(models.Model):
    """The channel switches of one category; they can only restrict those of the account."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="category_preferences")
    category = models.CharField(max_length=CATEGORY_MAX_LENGTH)
    email = models.BooleanField(default=True)
    push = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "category"], name="users_categorypreference_category"
            ),
        ]

    def __str__(self) -> str:
        """Return the category."""
        return self.category
