"""The composition root: settings, the Celery application, URLs and the WSGI entry."""

from notifications_project.celery import app

__all__ = ["app"]
