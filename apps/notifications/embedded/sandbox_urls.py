"""The sandbox's pages, mounted at ``/sandbox/``."""

from django.urls import path

from apps.common.rest.routes import either_slash
from apps.notifications.embedded import sandbox_pages

app_name = "sandbox"
urlpatterns = [
    path("", sandbox_pages.message_list, name="list"),
    *either_slash(
        [
            path("<uuid:message_id>/", sandbox_pages.message_detail, name="detail"),
            path("<uuid:message_id>/html/", sandbox_pages.message_html, name="html"),
        ]
    ),
]
