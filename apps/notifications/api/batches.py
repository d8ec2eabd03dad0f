"""The endpoints for batches: progress, rejected rows, pause, resume and cancel."""

from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller, Scope, caller_of
from apps.common.rest.negotiation import DownloadNegotiation
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import Problem
from apps.common.rest.query_parameters import validated
from apps.common.rest.serializers import StrictSerializer
from apps.notifications.api import batch_answers as shown
from apps.notifications.api.batch_answers import BatchSerializer, ListedBatchSerializer
from apps.notifications.api.notifications import CANCEL
from apps.notifications.batches import control, error_tables, progress
from apps.notifications.models import Batch

TAGS = ["Batches"]
VIEW_PERMISSION = "notifications.view_batch"
READ = Access(scope=Scope.NOTIFICATIONS_READ, staff=VIEW_PERMISSION)
EXAMPLE = OpenApiExample("A batch", shown.BATCH, response_only=True)
COUNTING = OpenApiExample(
    "A broadcast whose audience is being counted",
    {**shown.BATCH, "total": None, "progress": None},
    response_only=True,
)


def visible_to(caller: Caller) -> QuerySet[Batch]:
    """Return the batches that a caller may see.

    An API key sees its client's batches of its kind, and with all clients visible, all batches of
    that kind. Staff see all.
    """
    batches = Batch.objects.all()
    if not caller.is_key:
        return batches
    batches = batches.filter(kind=caller.kind)
    return batches if caller.sees_all_clients else batches.filter(client=caller.client)


def find(caller: Caller, batch_id: UUID) -> Batch:
    """Return one batch.

    Raises:
        Problem: 404 if it does not exist for this caller.
    """
    batch = visible_to(caller).filter(pk=batch_id).first()
    if batch is None:
        raise Problem(404, "There is no such batch.")
    return batch


class BatchesView(AccessTable, ListAPIView[Batch]):
    """Batches, newest first."""

    access = {"GET": READ}
    serializer_class = ListedBatchSerializer

    def get_queryset(self) -> QuerySet[Batch]:
        """Return the batches that the caller may see."""
        return visible_to(caller_of(self.request)).defer("table")

    @extend_schema(
        operation_id="batches_list",
        tags=TAGS,
        summary="List batches, newest first",
        responses=ListedBatchSerializer(many=True),
        examples=[EXAMPLE],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List batches with their progress."""
        return super().get(request, *args, **kwargs)


class BatchView(AccessTable, APIView):
    """One batch."""

    access = {"GET": READ}

    @extend_schema(
        operation_id="batches_read",
        tags=TAGS,
        summary="Read the progress of a batch",
        responses=BatchSerializer,
        examples=[EXAMPLE, COUNTING],
    )
    def get(self, request: Request, batch_id: UUID) -> Response:
        """Return the progress of a batch."""
        return Response(BatchSerializer(find(caller_of(request), batch_id)).data)


class ErrorsFormat(StrEnum):
    """The format of the file of errors."""

    NDJSON = "ndjson"
    CSV = "csv"


class ErrorsQuery(StrictSerializer):
    """The query parameters of a download."""

    format = serializers.ChoiceField(
        choices=[each.value for each in ErrorsFormat],
        required=False,
        help_text="The format of the file. The default is `ndjson`.",
    )


class BatchErrorsView(AccessTable, APIView):
    """The errors of rejected rows of a batch."""

    access = {"GET": READ}
    content_negotiation_class = DownloadNegotiation

    @extend_schema(
        operation_id="batches_errors_read",
        tags=TAGS,
        summary="Download why rows were rejected, as NDJSON or as a CSV file to mend",
        description=(
            "`index` counts the rows of the batch from 0, `line` the lines of the file from 1.\n\n"
            "With `format=csv`, an upload has its own columns with the cells of each rejected row, "
            "and `error.line`, `error.pointer`, `error.code` and `error.detail`. Mend it in a "
            "spreadsheet and upload it again: columns whose names begin with `error.` are left "
            "out. A cell that a spreadsheet would take for a formula has an apostrophe before it, "
            "which such an upload removes. The values of NDJSON become columns of CSV. The cells "
            "are there for a week; those of sensitive templates and of erased users are empty. "
            "Bulk calls and broadcasts have the `index` and the columns of errors."
        ),
        parameters=[ErrorsQuery],
        responses={
            (200, "application/x-ndjson"): OpenApiResponse(
                response={"type": "string"}, description="One JSON object a line."
            ),
            (200, "text/csv"): OpenApiResponse(
                response={"type": "string"}, description="One row for each rejected row."
            ),
        },
        examples=[
            OpenApiExample(
                "A rejected row",
                shown.ERROR_LINE,
                response_only=True,
                media_type="application/x-ndjson",
            ),
            OpenApiExample(
                "A file to mend", shown.ERROR_FILE, response_only=True, media_type="text/csv"
            ),
        ],
    )
    def get(self, request: Request, batch_id: UUID) -> StreamingHttpResponse:
        """Stream the errors in the order of the rows."""
        batch = find(caller_of(request), batch_id)
        given = request.query_params
        asked = {"format": given["format"]} if "format" in given else {}
        query = validated(ErrorsQuery(data=asked), what="query", prefix="?")
        wanted = ErrorsFormat(query.get("format", ErrorsFormat.NDJSON))
        lines, media_type = {
            ErrorsFormat.NDJSON: (progress.error_lines, "application/x-ndjson"),
            ErrorsFormat.CSV: (error_tables.csv_lines, "text/csv; charset=utf-8"),
        }[wanted]
        answer = StreamingHttpResponse(lines(batch), content_type=media_type)
        answer["Content-Disposition"] = f'attachment; filename="errors-{batch.pk}.{wanted}"'
        return answer


class PauseBatchView(AccessTable, APIView):
    """Pause a batch."""

    access = {"POST": CANCEL}
    problems: ClassVar = {"POST": (409,)}

    @extend_schema(
        operation_id="batches_pause",
        tags=TAGS,
        summary="Make no more notifications of a batch for now",
        description="What waits in the queue already, a few thousand at most, still goes out.",
        request=None,
        responses=BatchSerializer,
        examples=[OpenApiExample("Paused", {**shown.BATCH, "state": "paused"}, response_only=True)],
    )
    def post(self, request: Request, batch_id: UUID) -> Response:
        """Pause a batch. Repeating it changes nothing."""
        batch = control.pause(find(caller_of(request), batch_id).pk)
        return Response(BatchSerializer(batch).data)


class ResumeBatchView(AccessTable, APIView):
    """Resume a batch."""

    access = {"POST": CANCEL}
    problems: ClassVar = {"POST": (409,)}

    @extend_schema(
        operation_id="batches_resume",
        tags=TAGS,
        summary="Go on with a paused batch",
        request=None,
        responses=BatchSerializer,
        examples=[EXAMPLE],
    )
    def post(self, request: Request, batch_id: UUID) -> Response:
        """Resume a batch. A running batch is not changed."""
        batch = control.resume(find(caller_of(request), batch_id).pk)
        return Response(BatchSerializer(batch).data)


class CancelBatchView(AccessTable, APIView):
    """Cancel a batch."""

    access = {"POST": CANCEL}
    problems: ClassVar = {"POST": (409,)}

    @extend_schema(
        operation_id="batches_cancel",
        tags=TAGS,
        summary="Stop a batch and everything of it that has not gone out",
        request=None,
        responses=BatchSerializer,
        examples=[
            OpenApiExample("Cancelled", {**shown.BATCH, "state": "cancelled"}, response_only=True)
        ],
    )
    def post(self, request: Request, batch_id: UUID) -> Response:
        """Cancel a batch. Repeating it changes nothing."""
        batch = control.cancel(find(caller_of(request), batch_id).pk)
        return Response(BatchSerializer(batch).data)
