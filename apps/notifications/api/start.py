"""The root of the browsable API."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from apps.common.rest.permissions import Access, AccessTable

# The links on the root page. The OpenAPI document has the complete list.
ENTRIES = {
    "users": "users",
    "templates": "templates",
    "notifications": "notifications",
    "services": "services",
    "openapi": "schema",
    "documentation": "docs",
}


class StartView(AccessTable, APIView):
    """Notifications API. Log in (above) as staff to try it by hand."""

    access: ClassVar = {"GET": Access(anyone=True)}

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """List the entries."""
        return Response({name: reverse(view, request=request) for name, view in ENTRIES.items()})
