"""Routes of the template endpoints, below ``/api/v1/``."""

from django.urls import path

from apps.common.rest.routes import either_slash
from apps.templates.api import converters
from apps.templates.api.views import PublishView, TemplateListView, TemplateView, VersionListView

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
        path(
            "templates/<template_code:template_code>/versions/<template_version:number>/publish",
            PublishView.as_view(),
            name="template-publish",
        ),
    ]
)
