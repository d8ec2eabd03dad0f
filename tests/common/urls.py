"""The URLs of the project, and views that fail."""

from typing import NoReturn

from django.db import OperationalError
from django.http import HttpRequest
from django.urls import path
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.common.rest.permissions import Access, AccessTable
from notifications_project.urls import handler400, handler403, handler404, handler500
from notifications_project.urls import urlpatterns as project_patterns

__all__ = ["handler400", "handler403", "handler404", "handler500"]

SECRET = "hunter2-in-a-local-variable"


class FailingView(AccessTable, APIView):
    access = {"GET": Access(anyone=True)}

    def get(self, request: Request) -> NoReturn:
        password = SECRET
        raise ZeroDivisionError(len(password))


def failing(request: HttpRequest) -> NoReturn:
    raise ZeroDivisionError


def without_database(request: HttpRequest) -> NoReturn:
    raise OperationalError("no answer from hunter2")


urlpatterns = [
    *project_patterns,
    path("fails/rest", FailingView.as_view()),
    path("fails/plain", failing),
    path("fails/database", without_database),
]
