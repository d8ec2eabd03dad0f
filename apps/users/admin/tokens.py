"""Refresh tokens in the admin. The library's lists sort and search the whole tables."""

from collections.abc import Sequence

from django.contrib import admin
from django.db.models import Q
from rest_framework_simplejwt.token_blacklist.admin import (
    BlacklistedTokenAdmin,
    OutstandingTokenAdmin,
)
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from apps.common.ids import as_uuid
from apps.common.newest_first import NewestFirstAdmin, NewestFirstList

HELP = "A user's id, or the jti of a token, in full."

admin.site.unregister([OutstandingToken, BlacklistedToken])


@admin.register(OutstandingToken)
class OutstandingTokens(NewestFirstAdmin[OutstandingToken], OutstandingTokenAdmin):
    """The refresh tokens that were issued."""

    search_help_text = HELP

    def look_ups(self, changelist: NewestFirstList, term: str) -> Sequence[Q]:
        """Return the columns that a term may be found in."""
        user_id = as_uuid(term)
        return [Q(jti=term), *([Q(user_id=user_id)] if user_id is not None else [])]


@admin.register(BlacklistedToken)
class BlacklistedTokens(NewestFirstAdmin[BlacklistedToken], BlacklistedTokenAdmin):
    """The refresh tokens that are no longer accepted."""

    search_help_text = HELP

    def look_ups(self, changelist: NewestFirstList, term: str) -> Sequence[Q]:
        """Return the columns that a term may be found in."""
        user_id = as_uuid(term)
        of_user = [Q(token__user_id=user_id)] if user_id is not None else []
        return [Q(token__jti=term), *of_user]
