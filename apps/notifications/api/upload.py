"""The upload of a CSV or NDJSON file of notifications, which is read as a stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, ClassVar

from django.utils.http import parse_header_parameters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.callers import Caller, Scope, caller_of
from apps.common.rest.idempotency import IDEMPOTENCY_KEY
from apps.common.rest.permissions import Access, AccessTable
from apps.common.rest.problems import FieldError, Problem, invalid, pointer_to
from apps.common.rest.query_parameters import checked_query, validated
from apps.common.rest.serializers import StrictSerializer
from apps.common.throttling import RateLimitHeaders, spend_sending
from apps.notifications.api import batch_answers as shown
from apps.notifications.api.answers import CHANNEL_CHOICES
from apps.notifications.api.batch_answers import StartedSerializer, started_answer
from apps.notifications.api.batches import TAGS
from apps.notifications.api.filters import READ_USERS
from apps.notifications.api.idempotency import idempotency_key
from apps.notifications.api.notifications import SEND
from apps.notifications.batches.file_rows import FileFormat
from apps.notifications.batches.upload import UPLOAD_MAX_BYTES, receive
from apps.notifications.models import Batch
from apps.users.account_access import ADD

WRITE_USERS = Access(scope=Scope.USERS_WRITE, staff=ADD)
# The file formats by media type, and by file name extension.
FORMATS = {
    "text/csv": FileFormat.CSV,
    "application/csv": FileFormat.CSV,
    "application/x-ndjson": FileFormat.NDJSON,
    "application/ndjson": FileFormat.NDJSON,
    "application/jsonl": FileFormat.NDJSON,
}
ENDINGS = {
    "csv": FileFormat.CSV,
    "ndjson": FileFormat.NDJSON,
    "jsonl": FileFormat.NDJSON,
}


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An uploaded file that has not been read yet.

    Attributes:
        charset: The encoding that its media type names.
        fields: The other fields of its form.
    """

    stream: IO[bytes]
    file_format: FileFormat
    charset: str | None
    fields: Mapping[str, str]


class FileParser(BaseParser):
    """Passes the file on unread. Subclasses set the media type."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the file."""
        named = parse_header_parameters(media_type or "")[1].get("charset")
        return Upload(
            stream=stream,
            file_format=FORMATS[self.media_type or ""],
            charset=named,
            fields={},
        )


FILE_PARSERS = tuple(
    type(f"{file_format.upper()}Parser", (FileParser,), {"media_type": media_type})
    for media_type, file_format in FORMATS.items()
)


class FormParser(MultiPartParser):
    """Parses a form with the file in its field ``file``."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the file.

        Raises:
            Problem: 400 without a file, if its format is not known from its type and name, or if a
                field is given twice.
        """
        context = dict(parser_context or {})
        form = super().parse(stream, media_type, context)
        for name, values in (*form.data.lists(), *form.files.lists()):
            if len(values) > 1:
                raise invalid(pointer_to(name), "repeated", "This field is given more than once.")
        if list(form.files) != ["file"]:
            raise invalid("/file", "required", "The form needs one file in its field 'file'.")
        file: Any = form.files["file"]
        ending = (file.name or "").rpartition(".")[2].lower()
        file_format = FORMATS.get(file.content_type or "") or ENDINGS.get(ending)
        if file_format is None:
            detail = "Expected a file of type text/csv or application/x-ndjson."
            raise invalid("/file", "invalid", detail)
        fields = {name: str(value) for name, value in form.data.items()}
        # Django passes on the parameter as it came.
        named = file.charset.decode("latin-1") if isinstance(file.charset, bytes) else file.charset
        return Upload(stream=file, file_format=file_format, charset=named or None, fields=fields)


class UploadDefaults(StrictSerializer):
    """Fields of a notification that the rows of a file may leave out."""

    notification_type = serializers.ChoiceField(choices=CHANNEL_CHOICES, required=False)
    template_code = serializers.CharField(max_length=100, required=False)
    priority = serializers.IntegerField(min_value=0, max_value=9, required=False)
    language = serializers.CharField(max_length=35, required=False)
    scheduled_for = serializers.DateTimeField(required=False)
    expires_at = serializers.DateTimeField(required=False)


class UploadOptions(UploadDefaults):
    """The defaults of rows, and how they are read."""

    create_users = serializers.BooleanField(
        required=False,
        help_text=(
            "Whether users that rows name by `external_id` or `email` are created if they do not "
            "exist. A key needs the scopes `users:write` and `users:read`, too."
        ),
    )


class UploadFormSerializer(UploadOptions):
    """A form with a file."""

    file = serializers.FileField(help_text="CSV or NDJSON, by its media type or its name.")


class UploadView(AccessTable, RateLimitHeaders, APIView):
    """Send a file of notifications."""

    access = {"POST": SEND}
    parser_classes = (*FILE_PARSERS, FormParser)
    problems: ClassVar = {"POST": (409, 422)}
    examples: ClassVar = {"POST": shown.CSV_ALONE}

    @extend_schema(
        operation_id="batches_upload",
        tags=TAGS,
        summary="Send a file of up to a million notifications, CSV or NDJSON",
        description=(
            "The file is the body, or the field `file` of a form. An NDJSON line is a row of "
            "`/notifications/bulk`. The columns of a CSV file are `user_id` (or `external_id` or "
            "`email`, which need the scope `users:read`), `notification_type`, "
            "`template_code`, `request_id`, `priority`, `scheduled_for`, `expires_at`, `language`, "
            "`variables.NAME` and `metadata.NAME`; its values are texts. What a row leaves out is "
            "taken from the parameters. Answers when the file is stored; its rows are judged in "
            "the background, each by itself. The default priority is 1. With `create_users=true` a "
            "row whose `external_id` or `email` no user has creates a user with both, once for all "
            "rows, as `POST /users/` by this key would; its name is empty. The row needs an "
            "`email` then. Accounts that exist are used and not changed."
        ),
        parameters=[IDEMPOTENCY_KEY, UploadOptions],
        request={
            **{media_type: {"type": "string"} for media_type in FORMATS},
            MultiPartParser.media_type: UploadFormSerializer,
        },
        responses={202: StartedSerializer},
        examples=[
            OpenApiExample("A CSV file", shown.CSV_FILE, request_only=True, media_type="text/csv"),
            OpenApiExample("Taken", shown.STARTED, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Accept a file."""
        caller = caller_of(request)
        key = idempotency_key(request, rows=Batch.objects.all(), caller=caller)
        announced = request.META.get("CONTENT_LENGTH") or ""
        if announced.isdecimal() and int(announced) > UPLOAD_MAX_BYTES:
            raise Problem(413, f"The file is larger than {UPLOAD_MAX_BYTES} bytes.")
        options = checked_query(request, UploadOptions)
        upload = request.data
        if not isinstance(upload, Upload):
            raise invalid("", "empty", "The file has no rows.")
        form = _checked_form(upload.fields)
        options |= form
        creates_users = options.pop("create_users", False)
        if creates_users:
            _refuse_creation(
                caller, pointer="/create_users" if "create_users" in form else "?create_users"
            )
        self.limited(spend_sending(caller=caller, cost=1))
        batch, replayed = receive(
            upload.stream,
            upload.file_format,
            charset=upload.charset,
            defaults=_plain(options),
            key=key,
            caller=caller,
            may_look_up=READ_USERS.allows(caller),
            creates_users=creates_users,
        )
        headers = {"Idempotency-Replayed": "true"} if replayed else {}
        return Response(started_answer(batch), status=202, headers=headers)


def _checked_form(fields: Mapping[str, str]) -> dict[str, Any]:
    """Validate the other fields of a form.

    Raises:
        Problem: 400 with a pointer to each unknown or malformed field.
    """
    return validated(UploadOptions(data=dict(fields)), what="form", prefix="/")


def _refuse_creation(caller: Caller, *, pointer: str) -> None:
    """Refuse to create users for a caller who may not.

    Raises:
        Problem: 403 that names the missing scopes.
    """
    needed = {Scope.USERS_WRITE: WRITE_USERS, Scope.USERS_READ: READ_USERS}
    missing = [str(scope) for scope, access in needed.items() if not access.allows(caller)]
    if missing:
        detail = f"Creating the users of a file needs the scope {' and '.join(missing)}."
        error = FieldError(pointer=pointer, code="scope_missing", detail=detail)
        raise Problem(403, detail, code="permission_denied", errors=[error])


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert times to strings, so that the values can be stored as JSON in the batch."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }
