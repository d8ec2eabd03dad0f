"""Every path of the project."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

from apps.common.routes import either_slash
from apps.notifications import sandbox_pages
from apps.notifications.api import health, metrics, start, welcome

urlpatterns = [
    *either_slash(
        [
            path("health/live", health.live, name="live"),
            path("health/ready", health.ready, name="ready"),
            path("metrics", metrics.metrics, name="metrics"),
            path("api/v1/", start.StartView.as_view(), name="start"),
            path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
            path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
            path("api/redoc/", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
            path("sandbox/", sandbox_pages.message_list),
            path("sandbox/enter/<uuid:user_id>/<str:token>", welcome.enter, name="enter"),
        ]
    ),
    path("", welcome.front_page, name="front-page"),
    path("api/v1/", include("apps.users.api.urls")),
    path("api/v1/", include("apps.templates.api.urls")),
    path("api/v1/", include("apps.notifications.api.urls")),
    path("account/", include("apps.users.urls")),
    path("sandbox/", include("apps.notifications.sandbox_urls")),
    path("admin/", admin.site.urls),
]
