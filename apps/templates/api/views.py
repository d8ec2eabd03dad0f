"""The endpoints of templates: list, create, read, write a version, and a preview base."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db.models import Prefetch
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common import languages
from apps.common.callers import Caller, Scope, caller_of
from apps.common.channels import Channel
from apps.common.rest.pagination import NewestFirst
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem, impossible, invalid, pointer_to
from apps.templates import previews, rendering, versions
from apps.templates.api.answers import (
    preview_answer,
    template_answer,
)
from apps.templates.api.examples import (
    FIRST_TEMPLATE,
    NEW_VERSION,
    PREVIEW,
    PREVIEWED,
    TEMPLATE,
    WRITTEN,
)
from apps.templates.api.queries import (
    category_asked,
    channel_asked,
    language_asked,
    version_asked,
)
from apps.templates.api.serializers import (
    NewTemplateSerializer,
    NewVersionSerializer,
    PreviewAnswer,
    PreviewSerializer,
    TemplateAnswer,
)
from apps.templates.content import check
from apps.templates.models import CATEGORY_MAX_LENGTH, Template, TemplateVersion

READ = Access(scope=Scope.TEMPLATES_READ, staff="message_templates.view_template")
CREATE = Access(scope=Scope.TEMPLATES_WRITE, staff="message_templates.add_template")
CHANGE = Access(scope=Scope.TEMPLATES_WRITE, staff="message_templates.change_template")
TAGS = ["Templates"]
# The template's own fields that a PUT may change.
OWN_FIELDS = ("name", "category", "critical", "sensitive")
LANGUAGE_PARAMETER = OpenApiParameter(
    "language",
    {
        "type": "string",
        "minLength": 1,
        "maxLength": languages.MAX_LENGTH,
        "pattern": languages.QUERY_PATTERN,
    },
    description="A language tag.",
)
VERSION_MAX = 999_999_999  # The nine digits of ``VersionNumber``.
CATEGORY_PARAMETER = OpenApiParameter(
    "category", {"type": "string", "minLength": 1, "maxLength": CATEGORY_MAX_LENGTH}
)


def author_of(caller: Caller) -> str:
    """Return the name of the author: the client of an API key, or ``staff:<user id>``."""
    return caller.client or f"user:{caller.user_id}"


def template_or_404(code: str) -> Template:
    """Return a template.

    Raises:
        Problem: 404 if there is no such template.
    """
    template = Template.objects.filter(code=code).first()
    if template is None:
        raise Problem(404, "There is no such template.")
    return template


class TemplateListView(AccessTable, APIView):
    """List and create templates."""

    access: ClassVar = {"GET": READ, "POST": CREATE}
    examples: ClassVar = {"POST": FIRST_TEMPLATE}
    problems: ClassVar = {"POST": (409,)}
    pagination_class = NewestFirst  # drf-spectacular reads it for the OpenAPI document.

    @extend_schema(
        operation_id="templates_list",
        tags=TAGS,
        summary="List templates",
        parameters=[
            OpenApiParameter("notification_type", enum=list(Channel)),
            CATEGORY_PARAMETER,
        ],
        responses={200: TemplateAnswer(many=True)},
        examples=[OpenApiExample("A template", TEMPLATE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """Return a page of templates, newest first, in their default languages.

        Each template has the published version of that language.
        """
        rows = Template.objects.all()
        if channel := channel_asked(request):
            rows = rows.filter(channel=channel)
        if category := category_asked(request):
            rows = rows.filter(category=category)
        published = TemplateVersion.objects.filter(published=True)
        rows = rows.prefetch_related(Prefetch("versions", published, to_attr="published"))
        paginator = self.pagination_class()
        page: Any = paginator.paginate_queryset(rows, request, view=self) or []
        return paginator.get_paginated_response([_listed(template) for template in page])

    @extend_schema(
        operation_id="templates_create",
        tags=TAGS,
        summary="Make a template",
        request=NewTemplateSerializer,
        responses={201: TemplateAnswer},
        examples=[
            OpenApiExample("E-mail", FIRST_TEMPLATE, request_only=True),
            OpenApiExample("Answer", TEMPLATE, response_only=True, status_codes=["201"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Create a template with version 1 of a language and publish it."""
        body = NewTemplateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        channel = given["notification_type"]
        version = versions.create(
            template=versions.NewTemplate(
                code=given["code"],
                channel=channel,
                name=given["name"],
                default_language=given["language"],
                category=given["category"],
                critical=given["critical"],
                sensitive=given["sensitive"],
            ),
            content=check(channel, body.content_of()),
            author=author_of(caller_of(request)),
        )
        return Response(_answer(version), status=201)


class TemplateView(AccessTable, APIView):
    """One template."""

    access: ClassVar = {"GET": READ, "PUT": CHANGE}
    examples: ClassVar = {"PUT": NEW_VERSION}

    @extend_schema(
        operation_id="templates_read",
        tags=TAGS,
        summary="Read a template",
        parameters=[
            OpenApiParameter(
                "version",
                {"type": "integer", "minimum": 1, "maximum": VERSION_MAX},
                description="By default the published.",
            ),
            LANGUAGE_PARAMETER,
        ],
        responses={200: TemplateAnswer},
        examples=[OpenApiExample("A template", TEMPLATE, response_only=True)],
    )
    def get(self, request: Request, template_code: str) -> Response:
        """Return the template with the requested version.

        Without ``version`` a language falls back as for sending; with it, it must match exactly.
        """
        language, number = language_asked(request), version_asked(request)
        template = template_or_404(template_code)
        found = _find_version(template, language=language, number=number)
        if found is None:
            raise Problem(404, "There is no such version.")
        found.template = template
        return Response(_answer(found))

    @extend_schema(
        operation_id="templates_update",
        tags=TAGS,
        summary="Write a new version and publish it",
        request=NewVersionSerializer,
        responses={200: TemplateAnswer},
        examples=[
            OpenApiExample("Another language", NEW_VERSION, request_only=True),
            OpenApiExample("Answer", WRITTEN, response_only=True, status_codes=["200"]),
        ],
    )
    def put(self, request: Request, template_code: str) -> Response:
        """Create the next version of a language; earlier ones stay and can be published again."""
        template = template_or_404(template_code)
        body = NewVersionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        fixed = {"code": template.code, "notification_type": template.channel}
        for name, value in fixed.items():
            if given.get(name, value) != value:
                detail = f"This template has {value!r} for good."
                raise invalid(pointer_to(name), "immutable", detail)
        version = versions.write(
            code=template_code,
            content=check(template.channel, body.content_of()),
            language=given.get("language"),
            author=author_of(caller_of(request)),
            changes={name: given[name] for name in OWN_FIELDS if name in given},
        )
        if version is None:
            raise Problem(404, "There is no such template.")
        return Response(_answer(version))


class PreviewView(AccessTable, APIView):
    """Preview the content that would be sent, without a specific recipient.

    Subclasses are registered in the URLs. They can set a ``serializer_class`` with more fields and
    can override ``locale_for``; they need not override ``post``.
    """

    access: ClassVar = {"POST": READ}
    examples: ClassVar = {"POST": PREVIEW}
    problems: ClassVar = {"POST": (422,)}
    serializer_class: type[PreviewSerializer] = PreviewSerializer

    def locale_for(self, request: Request, given: dict[str, Any]) -> str | None:
        """Return the recipient's locale; None here, because there is no recipient."""
        return None

    @extend_schema(
        operation_id="templates_preview",
        tags=TAGS,
        summary="Preview what would be sent",
        request=PreviewSerializer,
        responses={200: PreviewAnswer},
        examples=[
            OpenApiExample("Preview", PREVIEW, request_only=True),
            OpenApiExample("Answer", PREVIEWED, response_only=True, status_codes=["200"]),
        ],
    )
    def post(self, request: Request, template_code: str) -> Response:
        """Render with the same code as sending; report missing and unused variables."""
        body = self.serializer_class(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        try:
            shown = previews.preview(
                template_code,
                variables=given["variables"],
                language=given.get("language"),
                locale=self.locale_for(request, given),
            )
        except rendering.UnknownTemplate:
            raise Problem(404, "There is no such template.") from None
        except rendering.RenderError as error:
            raise impossible("/variables", "render_failed", str(error)) from None
        return Response(preview_answer(template_code, shown))


def _find_version(
    template: Template, *, language: str | None, number: int | None
) -> TemplateVersion | None:
    if number is not None:
        wanted = language or template.default_language
        return template.versions.filter(language=wanted, number=number).first()
    published = {row.language: row for row in template.versions.filter(published=True)}
    for tag in languages.fallbacks(language or template.default_language):
        if tag in published:
            return published[tag]
    return None


def _answer(version: TemplateVersion) -> dict[str, Any]:
    template = version.template
    return template_answer(template, version, published_languages(template))


def published_languages(template: Template) -> Iterable[str]:
    """Return the languages in which a template is sent."""
    return template.versions.filter(published=True).values_list("language", flat=True)


def _listed(template: Any) -> dict[str, Any]:
    by_language = {version.language: version for version in template.published}
    return template_answer(template, by_language[template.default_language], by_language)
