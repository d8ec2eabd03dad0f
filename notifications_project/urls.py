"""All URL patterns of the project."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
)

from apps.common.rest import error_reference
from apps.common.rest.routes import either_slash
from apps.desk.pages import page
from apps.desk.providers import views as providers
from apps.notifications.api import health, metrics, start, welcome
from apps.notifications.api.unsubscribe import unsubscribe
from apps.notifications.embedded import sandbox_pages
from apps.users.staff.login import limited

session_patterns = [
    path(
        "login/", RedirectView.as_view(pattern_name="admin:login", query_string=True), name="login"
    ),
    path("logout/", LogoutView.as_view(next_page="start"), name="logout"),
]

# What Django answers when a view raises; ``ProblemMiddleware`` makes a page of it for browsers.
handler400 = "apps.common.rest.error_answers.bad_request"
handler403 = "apps.desk.error_pages.permission_denied"
handler404 = "apps.desk.error_pages.page_not_found"
handler500 = "apps.common.rest.error_answers.server_error"

# Imported in this order, because routes of ``apps.notifications`` use path converters of
# ``apps.templates``. Matched in reverse order, because most requests are for notifications.
api_patterns = [
    path("", include("apps.users.api.urls")),
    path("", include("apps.templates.api.urls")),
    path("", include("apps.webhooks.api.urls")),
    path("", include("apps.notifications.api.urls")),
]

# The documentation pages do not support OPTIONS.
PAGES = ["get", "head"]

urlpatterns = [
    path("api/v1/", include(api_patterns[::-1])),
    *either_slash(
        [
            path("health/live", health.live, name="live"),
            path("health/ready", health.ready, name="ready"),
            path("unsubscribe/<str:token>", unsubscribe, name="unsubscribe"),
            path("metrics", metrics.metrics, name="metrics"),
            # What the type of a problem links to.
            path("errors/", error_reference.error_list, name="errors"),
            path("errors/<slug:code>", error_reference.error_page, name="error"),
            path("api/v1/", start.StartView.as_view(), name="start"),
            path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
            path(
                "api/docs/",
                # This view serves its script as a separate file, so the page has no inline script.
                SpectacularSwaggerSplitView.as_view(url_name="schema", http_method_names=PAGES),
                name="docs",
            ),
            path(
                "api/redoc/",
                SpectacularRedocView.as_view(url_name="schema", http_method_names=PAGES),
                name="redoc",
            ),
            path("sandbox/", sandbox_pages.message_list),
            path("sandbox/enter/<uuid:user_id>/<str:token>", welcome.enter, name="enter"),
        ]
    ),
    path("", welcome.front_page, name="front-page"),
    # Browsers ask for it where a page names none, such as an answer in JSON.
    path("favicon.ico", RedirectView.as_view(url="/static/desk/favicon.svg")),
    path("account/", include("apps.users.urls")),
    path("sandbox/", include("apps.notifications.embedded.sandbox_urls")),
    # The log-in and log-out links of the browsable API lead to those of the admin.
    path("api/auth/", include((session_patterns, "rest_framework"))),
    path("admin/login/", limited(admin.site.login)),
    path(
        "admin/providers/",
        page(providers.provider_page, permission=providers.VIEW),
        name="providers",
    ),
    path("admin/", include("apps.desk.urls")),
    path("admin/", admin.site.urls),
]
