"""The URLs of the project, and two views that fail."""

from typing import NoReturn

from django.http import HttpRequest
from django.urls import path
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.common.rest.permissions import Access, AccessTable
from notifications_project.urls import urlpatterns as project_patterns

SECRET = "hunter2-in-a-local-variable"


class FailingView(AccessTable, APIView):
    access = {"GET": Access(anyone=True)}

    def get(self, request: Request) -> NoReturn:
        password = SECRET
        raise ZeroDivisionError(len(password))


def failing(request: HttpRequest) -> NoReturn:
    raise ZeroDivisionError


urlpatterns = [
    *project_patterns,
    path("fails/rest", FailingView.as_view()),
    path("fails/plain", failing),
]
