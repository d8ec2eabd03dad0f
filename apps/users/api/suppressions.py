"""The HTTP API of the suppression list."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller, Kind, Scope, caller_of
from apps.common.rest.negotiation import DownloadNegotiation
from apps.common.rest.pagination import NewestNumbersFirst
from apps.common.rest.parsers import BytesParser
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem, impossible, invalid
from apps.common.rest.query_parameters import checked_query
from apps.common.rest.serializers import StrictCharField, StrictSerializer
from apps.users import addresses, suppression_files, suppression_list
from apps.users.api.fields import AddressField, LineField
from apps.users.models import Suppression, SuppressionReason
from apps.users.models.suppression import NOTE_MAX_LENGTH, in_effect
from apps.users.suppressions import NewSuppression

TAGS = ["Suppressions"]
READ = Access(scope=Scope.OPERATIONS, staff="users.view_suppression")
ADD = Access(scope=Scope.OPERATIONS, staff="users.add_suppression")
REMOVE = Access(scope=Scope.OPERATIONS, staff="users.delete_suppression")
REASONS = [reason.value for reason in SuppressionReason]
ID_MAX_DIGITS = 18

NEW: dict[str, Any] = {
    "email": "ada@example.com",
    "reason": "manual",
    "expires_at": "2030-12-31T00:00:00Z",
    "note": "asked by phone",
}
SUPPRESSION: dict[str, Any] = {
    "id": 17,
    "email": "ada@example.com",
    "address_hash": "b9f9b2dbf3f4d8bb0bba8bd16bc4bb5a4ad1d1a1fdd45b3c8ff4e9c9a0b1c2d3",
    "reason": "manual",
    "expires_at": "2030-12-31T00:00:00Z",
    "created_at": "2026-11-22T12:00:00Z",
    "source": "shop",
}
FILE = "email,reason,expires_at\nada@example.com,complaint,\n"
IMPORTED: dict[str, Any] = {
    "dry_run": True,
    "rows": 2,
    "added": 1,
    "rejected": 1,
    "rejected_rows": [
        {"line": 3, "code": "invalid_email", "detail": "An email address must have an @."}
    ],
}


class SuppressionSerializer(serializers.ModelSerializer[Suppression]):
    """One suppressed address."""

    email = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField()

    class Meta:
        model = Suppression
        fields = ("id", "email", "address_hash", "reason", "expires_at", "created_at", "source")

    def get_email(self, suppression: Suppression) -> str | None:
        """Return the address; null if its owner was erased."""
        return suppression.address or None

    def get_reason(self, suppression: Suppression) -> SuppressionReason:
        """Return the reason."""
        return suppression.public_reason


class NewSuppressionSerializer(StrictSerializer):
    """An address to suppress."""

    email = AddressField()
    reason = serializers.ChoiceField(choices=REASONS, default=SuppressionReason.MANUAL.value)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default_timezone=UTC)
    note = StrictCharField(required=False, allow_blank=True, max_length=NOTE_MAX_LENGTH)


class SuppressionsQuery(StrictSerializer):
    """The filters of the list."""

    email = StrictCharField(
        required=False, max_length=320, help_text="An address in any spelling, in full."
    )
    reason = serializers.ChoiceField(choices=REASONS, required=False)


class RemovalQuery(StrictSerializer):
    """Why an address is taken off the list."""

    reason = LineField(max_length=NOTE_MAX_LENGTH)


class ImportQuery(StrictSerializer):
    """How a file is read."""

    dry_run = serializers.BooleanField(
        required=False, help_text="Say what the file would change, and change nothing."
    )


class RowErrorSerializer(serializers.Serializer[Any]):
    """Why a row was rejected."""

    line = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ImportedSerializer(serializers.Serializer[Any]):
    """What a file changed, or would change."""

    dry_run = serializers.BooleanField()
    rows = serializers.IntegerField()
    added = serializers.IntegerField(help_text="Addresses that are new on the list or stay longer.")
    rejected = serializers.IntegerField()
    rejected_rows = RowErrorSerializer(many=True, help_text="The first 100 rejected rows.")


class CsvParser(BytesParser):
    """Passes a file on as it came."""

    media_type = "text/csv"


def _changing(request: Request) -> Caller:
    """Return a caller who may change live data.

    Raises:
        Problem: 403 for a test key.
    """
    caller = caller_of(request)
    if caller.kind is Kind.TEST:
        detail = "A test key does not change the suppression list, which has live addresses."
        raise Problem(403, detail)
    return caller


class SuppressionsView(AccessTable, ListAPIView[Suppression]):
    """The addresses that get no mail."""

    access: ClassVar[Mapping[str, Access]] = {"GET": READ, "POST": ADD}
    serializer_class = SuppressionSerializer
    pagination_class = NewestNumbersFirst
    examples: ClassVar = {"POST": NEW}
    problems: ClassVar = {"POST": (422,)}

    def get_queryset(self) -> QuerySet[Suppression]:
        """Return the entries in effect that the query asks for."""
        query = checked_query(self.request, SuppressionsQuery)
        rows = Suppression.objects.filter(in_effect(timezone.now()))
        if email := query.get("email"):
            rows = rows.filter(address_hash=addresses.address_hash(email))
        if (reason := query.get("reason")) == SuppressionReason.MANUAL:
            # Older releases have stored whatever staff wrote.
            others = [one for one in REASONS if one != SuppressionReason.MANUAL]
            rows = rows.exclude(reason__in=others)
        elif reason:
            rows = rows.filter(reason=reason)
        return rows

    @extend_schema(
        operation_id="suppressions_list",
        tags=TAGS,
        summary="List suppressed addresses, newest first",
        parameters=[SuppressionsQuery],
        responses=SuppressionSerializer(many=True),
        examples=[OpenApiExample("A suppression", SUPPRESSION, response_only=True)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List suppressions."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="suppressions_create",
        tags=TAGS,
        summary="Put an address on the suppression list",
        description=(
            "It gets no more mail from any client, until the entry expires or is removed. An "
            "address that is on the list already is answered with 200; its entry changes only if "
            "this one lasts longer."
        ),
        request=NewSuppressionSerializer,
        responses={201: SuppressionSerializer, 200: SuppressionSerializer},
        examples=[
            OpenApiExample("An address", NEW, request_only=True),
            OpenApiExample("Suppressed", SUPPRESSION, response_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Suppress an address."""
        caller = _changing(request)
        body = NewSuppressionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        expires_at = given.get("expires_at")
        if expires_at is not None and expires_at <= timezone.now():
            raise impossible("/expires_at", "already_expired", "The time has passed.")
        actor = caller.client or ""
        found, is_new = suppression_list.put(
            NewSuppression(
                address_hash=addresses.address_hash(given["email"]),
                address=given["email"],
                reason=given["reason"],
                source=actor,
                note=given.get("note", ""),
                expires_at=expires_at,
            ),
            actor=actor,
        )
        return Response(SuppressionSerializer(found).data, status=201 if is_new else 200)


class SuppressionView(AccessTable, APIView):
    """One suppressed address."""

    access: ClassVar[Mapping[str, Access]] = {"DELETE": REMOVE}

    @extend_schema(
        operation_id="suppressions_delete",
        tags=TAGS,
        summary="Take an address off the suppression list, with a reason",
        parameters=[OpenApiParameter("suppression_id", int, OpenApiParameter.PATH), RemovalQuery],
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, suppression_id: str) -> Response:
        """Remove a suppression."""
        caller = _changing(request)
        reason = checked_query(request, RemovalQuery)["reason"]
        # A segment of the path may be any text.
        is_number = suppression_id.isascii() and suppression_id.isdecimal()
        if not is_number or len(suppression_id) > ID_MAX_DIGITS:
            raise Problem(404, "There is no such suppression.")
        suppression_list.remove(int(suppression_id), actor=caller.client or "", reason=reason)
        return Response(status=204)


class SuppressionExportView(AccessTable, APIView):
    """The suppression list as a file."""

    access: ClassVar[Mapping[str, Access]] = {"GET": READ}
    content_negotiation_class = DownloadNegotiation

    @extend_schema(
        operation_id="suppressions_export_read",
        tags=TAGS,
        summary="Download the suppression list as CSV",
        description=(
            "The oldest first. A cell that a spreadsheet would take for a formula has an "
            "apostrophe before it, which an import removes. An address whose owner was erased is "
            "there as its hash."
        ),
        responses={
            (200, "text/csv"): OpenApiResponse(
                response={"type": "string"}, description="One row for each address."
            )
        },
        examples=[
            OpenApiExample(
                "Two addresses",
                ",".join(suppression_files.COLUMNS)
                + "\nada@example.com,b9f9...,complaint,,2026-11-22T12:00:00+00:00,sendgrid\n",
                response_only=True,
                media_type="text/csv",
            )
        ],
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Stream the list."""
        answer = StreamingHttpResponse(
            suppression_files.export(), content_type="text/csv; charset=utf-8"
        )
        answer["Content-Disposition"] = 'attachment; filename="suppressions.csv"'
        return answer


class SuppressionImportView(AccessTable, APIView):
    """Put the addresses of a file on the suppression list."""

    access: ClassVar[Mapping[str, Access]] = {"POST": ADD}
    parser_classes = (CsvParser,)
    max_body_bytes = settings.BULK_BODY_MAX_BYTES

    @extend_schema(
        operation_id="suppressions_upload",
        tags=TAGS,
        summary="Put the addresses of a CSV file on the suppression list",
        description=(
            "The columns are those of an export; `email` or `address_hash` is needed, and `reason` "
            "is `manual` if it is left out. A bad row is rejected by itself. With `dry_run=true` "
            "the answer says what the file would change."
        ),
        parameters=[ImportQuery],
        request={"text/csv": {"type": "string"}},
        responses=ImportedSerializer,
        examples=[
            OpenApiExample("A file", FILE, request_only=True, media_type="text/csv"),
            OpenApiExample("What it would change", IMPORTED, response_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Read a file."""
        caller = _changing(request)
        dry_run = checked_query(request, ImportQuery).get("dry_run", False)
        raw = request.data
        if not isinstance(raw, bytes) or not raw.strip():
            raise invalid("", "empty", "The file has no rows.")
        imported = suppression_files.read_file(raw, actor=caller.client or "", dry_run=dry_run)
        return Response(ImportedSerializer({"dry_run": dry_run, **vars(imported)}).data)
