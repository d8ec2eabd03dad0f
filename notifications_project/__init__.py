"""The composition root: settings, the Celery application, URLs and the WSGI entry point."""

from notifications_project.celery import app

__all__ = ["app"]
