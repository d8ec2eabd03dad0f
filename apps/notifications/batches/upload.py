"""Store an uploaded file while it streams. An aborted upload leaves no data behind."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import chain, islice
from typing import IO, Any
from uuid import UUID

import msgspec
import structlog
from django.utils import timezone

from apps.common.callers import Caller
from apps.common.failure_isolation import LAST_WAIT, isolate_failures
from apps.common.ids import new_id
from apps.common.middleware.correlation import current_id
from apps.common.rest.problems import Problem
from apps.notifications.batches import charsets, error_tables, file_rows, idempotency, slices
from apps.notifications.batches.file_rows import FileFormat, FileRow
from apps.notifications.batches.first_rows import FIRST_ROWS, check_first_rows
from apps.notifications.batches.row_reader import header_key, reader_of
from apps.notifications.models import Batch, BatchSource, BatchState

log = structlog.get_logger(__name__)

# The maximum number of batches per scheduler step; the next step continues.
DROPPED_AT_ONCE = 100
UPLOAD_MAX_BYTES = 1024**3
# An upload that has received no data for this long is considered aborted.
RECEIVING_LEASE = timedelta(minutes=2)


class _Watched:
    """Wraps a stream, and counts and digests the bytes read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._size = 0
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Read up to ``size`` bytes.

        Raises:
            Problem: 413 for a file that is too large.
        """
        block = self._stream.read(size)
        self._size += len(block)
        if self._size > UPLOAD_MAX_BYTES:
            raise Problem(413, f"The file is larger than {UPLOAD_MAX_BYTES} bytes.")
        self.digest.update(block)
        return block


def receive(
    stream: IO[bytes],
    file_format: FileFormat,
    *,
    charset: str | None = None,
    defaults: Mapping[str, Any],
    key: str | None,
    caller: Caller,
    may_look_up: bool = False,
    creates_users: bool = False,
) -> tuple[Batch, bool]:
    """Store an uploaded file. Its rows are validated in the background.

    Args:
        stream: The file.
        file_format: The format of the file.
        charset: The encoding that the caller names; by default that of its byte order mark, or
            UTF-8.
        defaults: Values for notification fields that rows leave out.
        key: The idempotency key of the call.
        caller: The API client.
        may_look_up: Whether rows may name their recipients by external id or address.
        creates_users: Whether users that rows name so and that do not exist are created.

    Returns:
        The batch, and whether it is the one of an earlier call with the same key.

    Raises:
        Problem: 400, 403, 409, 413 or 422; nothing is stored then.
    """
    watched: Any = _Watched(stream)
    settings = [file_format, defaults]
    if creates_users:
        settings.append({"create_users": True})
    watched.digest.update(msgspec.json.encode(settings, order="deterministic"))
    encoding = charsets.charset_of(charset)
    if encoding != charsets.UTF_8:
        # The same bytes say something else in another encoding.
        watched.digest.update(encoding.encode())
    rows = file_rows.rows(charsets.as_utf8(watched, encoding), file_format)
    head = next(rows) if file_format is FileFormat.CSV else None
    header = msgspec.json.decode(head.text) if head else None
    # Read before anything is stored: a file with an invalid start stores nothing.
    first = [next(rows), *islice(rows, FIRST_ROWS - 1)]
    batch = Batch(
        id=new_id(),
        client=caller.client or "",
        kind=caller.kind,
        source=BatchSource.UPLOAD,
        request_id=key,
        body_digest=b"",
        correlation_id=current_id(),
        terms=_terms(
            header,
            first,
            defaults=defaults,
            may_look_up=may_look_up,
            creates_users=creates_users,
        ),
        table=error_tables.new_table(header, delimiter=head.delimiter if head else None),
        state=BatchState.RECEIVING,
        next_at=timezone.now() + RECEIVING_LEASE,
    )
    earlier = idempotency.begin(batch)
    if earlier is not None:
        for _ in rows:
            pass  # Only the digest of the whole file shows whether it is the same one.
        idempotency.settle(earlier, repeated=bytes(earlier.body_digest) == watched.digest.digest())
        return earlier, True
    try:
        check_first_rows(first, reader_of(batch.terms, client=batch.client, pretend=True))
        _store_all(batch, chain(first, rows))
    except BaseException:
        batch.delete()
        raise
    batch.body_digest = watched.digest.digest()
    batch.state, batch.next_at = BatchState.RUNNING, timezone.now()
    batch.save(update_fields=["body_digest", "state", "next_at", "total"])
    return batch, False


def _terms(
    header: list[str] | None,
    first: Sequence[FileRow],
    *,
    defaults: Mapping[str, Any],
    may_look_up: bool,
    creates_users: bool,
) -> dict[str, Any]:
    """Return what the rows of a file are read with."""
    terms = {
        "header": header,
        "defaults": dict(defaults),
        "may_look_up": may_look_up,
    }
    is_new = reader_of(terms, client="").is_new([row.text for row in first])
    terms[header_key(creates=creates_users, is_new=is_new)] = terms.pop("header")
    return terms


def drop_incomplete_uploads() -> bool:
    """Delete uploads that receive no more data, because the process that received them died.

    Returns:
        Whether there were any.
    """
    now = timezone.now()
    broken = Batch.objects.filter(state=BatchState.RECEIVING, next_at__lte=now)
    # Read first without a transaction: on SQLite every transaction takes the single write lock.
    ids = list(broken.order_by("next_at").values_list("pk", flat=True)[:DROPPED_AT_ONCE])

    def drop(some: Sequence[UUID]) -> None:
        broken.filter(pk__in=some).delete()

    def keep_for_now(pk: UUID, error: Exception) -> None:
        log.error("a broken upload could not be dropped", batch_id=str(pk), exc_info=error)
        broken.filter(pk=pk).update(next_at=now + LAST_WAIT)

    isolate_failures(ids, drop, failed=keep_for_now)
    return bool(ids)


def _store_all(batch: Batch, rows: Iterator[FileRow]) -> None:
    """Store all rows. Each slice renews the lease of the upload."""
    for first, piece in slices.cut(rows):
        slices.keep(batch, first, [row.text for row in piece], lines=[row.line for row in piece])
        batch.total = first + len(piece)
        Batch.objects.filter(pk=batch.pk).update(next_at=timezone.now() + RECEIVING_LEASE)
