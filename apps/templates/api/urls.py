"""Routes of the template endpoints, below ``/api/v1/``."""

from django.urls import path

from apps.common.rest.routes import either_slash
from apps.templates.api import converters
from apps.templates.api.version_views import VersionListView
from apps.templates.api.views import TemplateListView, TemplateView

converters.register()

urlpatterns = either_slash(
    [
        path("templates/", TemplateListView.as_view(), name="templates"),
        path("templates/<template_code:template_code>", TemplateView.as_view(), name="template"),
        path(
            "templates/<template_code:template_code>/versions/",
            VersionListView.as_view(),
            name="template-versions",
        ),
    ]
)
