"""The URLs of accounts alone, with the profile view that the project registers."""

from django.urls import include, path

from apps.common.rest.routes import either_slash
from apps.users.api.profiles import UserView

urlpatterns = [
    path("api/v1/", include("apps.users.api.urls")),
    *either_slash([path("api/v1/users/<uuid:user_id>/", UserView.as_view(), name="user")]),
    path("account/", include("apps.users.urls")),
]
