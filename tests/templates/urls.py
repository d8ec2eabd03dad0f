"""The URLs of templates alone, with a preview view as the pipeline registers it."""

from django.urls import include, path

from apps.common.rest.routes import either_slash
from apps.templates.api.version_views import PublishView
from apps.templates.api.views import PreviewView

urlpatterns = [
    path("api/v1/", include("apps.templates.api.urls")),
    path(
        "api/v1/",
        include(
            either_slash(
                [
                    path("templates/<template_code:template_code>/preview", PreviewView.as_view()),
                    path(
                        "templates/<template_code:template_code>/versions/"
                        "<template_version:number>/publish",
                        PublishView.as_view(),
                    ),
                ]
            )
        ),
    ),
]
