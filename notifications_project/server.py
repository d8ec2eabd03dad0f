"""The server of each web process."""

from django.conf import settings
from django.urls import reverse

from apps.common import garbage, process_exit
from apps.common.server import Server
from notifications_project.wsgi import application

server = Server(
    application,
    threads=settings.WEB_THREADS,
    large_body_threads=settings.WEB_LARGE_BODY_THREADS,
    large_body_paths={reverse("batch-upload")},
    at_end=process_exit.end,
)

garbage.settle()
