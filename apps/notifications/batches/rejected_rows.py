"""Store the errors of rejected rows, and the rows themselves where they may be kept."""

import zlib
from collections.abc import Mapping, Sequence

from django.utils import timezone

from apps.common.rest.problems import Problem
from apps.notifications.batches import error_tables, slices
from apps.notifications.batches.pieces import Piece, errors_of
from apps.notifications.batches.row_reader import RowFacts
from apps.notifications.models import Batch, BatchError, BatchSource
from apps.templates import rendering
from apps.users import contacts


def store(batch: Batch, piece: Piece, refused: Mapping[int, Problem], *, first_index: int) -> None:
    """Store the errors of rows, each with its row if that is kept.

    Args:
        batch: The batch, whose table gets the columns of the rows; the caller saves it.
        piece: The rows, some of which were rejected.
        refused: Why, by the index in the batch.
        first_index: The index of the first row of the piece.
    """
    errors = {
        index: BatchError(
            batch=batch,
            index=index,
            line=piece.lines[index - first_index] if piece.lines else None,
            errors=errors_of(problem),
        )
        for index, problem in sorted(refused.items())
    }
    if batch.source == BatchSource.UPLOAD and batch.table is None:
        batch.table = error_tables.table_of_terms(batch.terms)
    if piece.reader is not None and errors:
        texts = [piece.texts[index - first_index] for index in errors]
        now = timezone.now()
        for error, text, facts in zip(errors.values(), texts, _kept(piece, texts), strict=True):
            if facts is not None:
                error.row = zlib.compress(text, slices.COMPRESSION)
                error.user_id, error.kept_at = facts.user_id, now
                error_tables.add_columns(batch.table, text)
    BatchError.objects.bulk_create(errors.values())


def _kept(piece: Piece, texts: Sequence[bytes]) -> list[RowFacts | None]:
    """Return the facts of the rows that may be kept, and None for the others.

    Not kept are rows of sensitive templates, rows of erased users, and rows that cannot be read,
    because they may be either.
    """
    if piece.reader is None:
        return [None] * len(texts)
    facts = piece.reader.about(texts)
    known = [one for one in facts if one is not None]
    sensitive = rendering.sensitive_codes({one.template_code for one in known})
    erased = contacts.erased_users({one.user_id for one in known if one.user_id is not None})
    return [
        one
        if one is not None and one.template_code not in sensitive and one.user_id not in erased
        else None
        for one in facts
    ]
