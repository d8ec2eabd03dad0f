"""The endpoints of a template's versions: list, write a draft, publish."""

from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import caller_of
from apps.common.rest.pagination import NewestFirst
from apps.common.rest.permissions import AccessTable
from apps.common.rest.problems import Problem
from apps.templates import versions
from apps.templates.api.answers import publication_answer, version_answer
from apps.templates.api.examples import DRAFT, DRAFTED, PUBLISH, PUBLISHED, VERSION
from apps.templates.api.queries import language_asked
from apps.templates.api.serializers import (
    NewDraftSerializer,
    PublishedTemplateSerializer,
    PublishSerializer,
    VersionAnswer,
)
from apps.templates.api.views import (
    CHANGE,
    LANGUAGE_PARAMETER,
    READ,
    TAGS,
    author_of,
    published_languages,
    template_or_404,
)
from apps.templates.content import check
from apps.templates.models import TemplateVersion


class VersionListView(AccessTable, APIView):
    """The versions of a template."""

    access: ClassVar = {"GET": READ, "POST": CHANGE}
    examples: ClassVar = {"POST": DRAFT}
    pagination_class = NewestFirst  # See above.

    @extend_schema(
        operation_id="templates_versions_list",
        tags=TAGS,
        summary="List the versions of a template",
        parameters=[
            LANGUAGE_PARAMETER,
        ],
        responses={200: VersionAnswer(many=True)},
        examples=[OpenApiExample("A version", VERSION, response_only=True)],
    )
    def get(self, request: Request, template_code: str) -> Response:
        """Return a page of versions, newest first."""
        language = language_asked(request)
        template = template_or_404(template_code)
        rows: QuerySet[TemplateVersion] = template.versions.all()
        if language:
            rows = rows.filter(language=language)
        paginator = self.pagination_class()
        page = paginator.paginate_queryset(rows, request, view=self) or []
        return paginator.get_paginated_response(
            [version_answer(version, template.channel) for version in page]
        )

    @extend_schema(
        operation_id="templates_versions_create",
        tags=TAGS,
        summary="Write a draft",
        request=NewDraftSerializer,
        responses={201: VersionAnswer},
        examples=[
            OpenApiExample("English", DRAFT, request_only=True),
            OpenApiExample("Answer", DRAFTED, response_only=True, status_codes=["201"]),
        ],
    )
    def post(self, request: Request, template_code: str) -> Response:
        """Create the next version of a language, which is not sent until it is published."""
        template = template_or_404(template_code)
        body = NewDraftSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        version = versions.draft(
            code=template_code,
            content=check(template.channel, body.content_of()),
            language=body.validated_data.get("language"),
            author=author_of(caller_of(request)),
        )
        if version is None:
            raise Problem(404, "There is no such template.")
        return Response(version_answer(version, template.channel), status=201)


class PublishView(AccessTable, APIView):
    """Publish a draft, or another version to roll back or forward.

    Subclasses are registered in the URLs and override ``missing_in_calls``.
    """

    access: ClassVar = {"POST": CHANGE}
    examples: ClassVar = {"POST": PUBLISH}

    @extend_schema(
        operation_id="templates_versions_publish",
        tags=TAGS,
        summary="Publish a version",
        request=PublishSerializer,
        responses={200: PublishedTemplateSerializer},
        examples=[
            OpenApiExample("English", PUBLISH, request_only=True),
            OpenApiExample("Answer", PUBLISHED, response_only=True, status_codes=["200"]),
        ],
    )
    def post(self, request: Request, template_code: str, number: int) -> Response:
        """Publish this version, so that it is sent from now on. Idempotent."""
        body = PublishSerializer(data=request.data or {})
        body.is_valid(raise_exception=True)
        publication = versions.publish(
            code=template_code, language=body.validated_data.get("language"), number=number
        )
        if publication is None:
            raise Problem(404, "There is no such version.")
        missing, calls = self.missing_in_calls(publication)
        languages = published_languages(publication.version.template)
        return Response(publication_answer(publication, languages, missing, calls))

    def missing_in_calls(self, publication: versions.Publication) -> tuple[dict[str, int], int]:
        """Return how often newly required variables were missing, and in how many calls.

        This app does not know any calls.
        """
        return {}, 0
