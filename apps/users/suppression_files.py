"""The suppression list as a CSV file, with an error for each bad row that is read."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.common import audit
from apps.common.rest.parsers import CONTROL_CHARACTER
from apps.common.rest.problems import Problem, invalid
from apps.users import addresses, suppressions
from apps.users.models import Suppression, SuppressionReason
from apps.users.models.suppression import NOTE_MAX_LENGTH, in_effect
from apps.users.suppressions import NewSuppression

COLUMNS = ("email", "address_hash", "reason", "expires_at", "created_at", "source")
READ = frozenset({*COLUMNS, "id", "note"})
ROWS_AT_ONCE = 1_000
ROWS_MAX = 100_000
ERRORS_MAX = 100
HASH = re.compile(r"[0-9a-f]{64}")
# What spreadsheets take for the beginning of a formula. An apostrophe before it is removed again.
FORMULA = re.compile(r"[=+\-@\t\r]")


@dataclass(frozen=True, kw_only=True)
class RowError:
    """Why a row was rejected; the line counts from 1."""

    line: int
    code: str
    detail: str


@dataclass(kw_only=True)
class Imported:
    """What a file would change, or has changed.

    Attributes:
        rows: How many rows it has.
        added: How many addresses are new on the list, or stay on it for longer.
        rejected: How many rows were rejected.
        rejected_rows: The first 100 of these.
    """

    rows: int = 0
    added: int = 0
    rejected: int = 0
    rejected_rows: list[RowError] = field(default_factory=list)


def export() -> Iterator[str]:
    """Yield the lines of a file with all entries in effect, the oldest first."""
    yield _line(COLUMNS)
    last = 0
    while True:
        rows = Suppression.objects.filter(in_effect(timezone.now()), pk__gt=last)
        found = list(rows.order_by("pk")[:ROWS_AT_ONCE])
        for row in found:
            yield _line(
                (
                    row.address,
                    row.address_hash,
                    row.public_reason.value,
                    row.expires_at.isoformat() if row.expires_at else "",
                    row.created_at.isoformat(),
                    row.source,
                )
            )
        if len(found) < ROWS_AT_ONCE:
            return
        last = found[-1].pk


def _line(cells: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(
        f"'{cell}" if FORMULA.match(cell) else cell for cell in cells
    )
    return written.getvalue()


def read_file(raw: bytes, *, actor: str, dry_run: bool) -> Imported:
    """Put the addresses of a file on the list; a bad row does not hold back the others.

    Args:
        raw: The file, UTF-8. Its columns are those of an export, of which ``email`` or
            ``address_hash`` is needed.
        actor: Who sends it.
        dry_run: Whether nothing is changed.

    Raises:
        Problem: 400 for a file that is no CSV with these columns, 413 for one with too many rows.
    """
    imported = Imported()
    entries: dict[str, NewSuppression] = {}
    now = timezone.now()
    for line, row in _rows(raw):
        imported.rows += 1
        if imported.rows > ROWS_MAX:
            raise Problem(413, f"The file has more than {ROWS_MAX} rows.")
        found = _entry(row, line=line, actor=actor, now=now)
        if isinstance(found, NewSuppression):
            entries.setdefault(found.address_hash, found)
            continue
        imported.rejected += 1
        if len(imported.rejected_rows) < ERRORS_MAX:
            imported.rejected_rows.append(found)
    with transaction.atomic():
        imported.added = suppressions.add(entries.values())
        if dry_run:
            # Counted by the same statements that would change it.
            transaction.set_rollback(True)
        elif imported.added:
            detail = f"{imported.added} addresses from a file"
            audit.record(
                actor=actor,
                action="suppressed",
                object_type="suppressions",
                object_id="",
                detail=detail,
            )
    return imported


def _rows(raw: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid("", "charset", "The file is not UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check(header)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                given = (cell.strip().removeprefix("'") for cell in cells)
                # A row with more cells than columns is a mistake; the name says so to the reader.
                yield (
                    reader.line_num,
                    dict(zip(header, given, strict=False))
                    | ({"": "more"} if len(cells) > len(header) else {}),
                )
    except csv.Error as error:
        raise invalid("", "malformed_csv", f"Line {reader.line_num}: {error}.") from None


def _check(header: Sequence[str]) -> None:
    unknown = [name for name in header if name not in READ]
    if not {"email", "address_hash"} & set(header):
        raise invalid("", "columns", "The file needs a column email or address_hash.")
    if unknown or len(set(header)) < len(header):
        detail = f"The columns are, each once: {', '.join(sorted(READ))}."
        raise invalid("", "columns", detail)


def _entry(  # noqa: PLR0911 - one return for each mistake.
    row: Mapping[str, str], *, line: int, actor: str, now: datetime
) -> NewSuppression | RowError:
    email, hashed = row.get("email", ""), row.get("address_hash", "").lower()
    reason = row.get("reason", "") or SuppressionReason.MANUAL
    if "" in row:
        return RowError(line=line, code="cells", detail="There are more cells than columns.")
    if refused := next((name for name, cell in row.items() if CONTROL_CHARACTER.search(cell)), ""):
        detail = f"{refused}: Control characters are not allowed."
        return RowError(line=line, code="control_character", detail=detail)
    if email and (problem := addresses.problem_with(email)):
        return RowError(line=line, code="invalid_email", detail=problem)
    if email and hashed and hashed != addresses.address_hash(email):
        detail = "The hash is not that of the address."
        return RowError(line=line, code="address_hash", detail=detail)
    if not email and not HASH.fullmatch(hashed):
        return RowError(line=line, code="required", detail="Expected an address or its hash.")
    if reason not in set(SuppressionReason):
        detail = f"The reason is one of {', '.join(SuppressionReason)}."
        return RowError(line=line, code="invalid_choice", detail=detail)
    try:
        expires_at = _time(row.get("expires_at", ""), now)
    except ValueError as error:
        return RowError(line=line, code="expires_at", detail=str(error))
    return NewSuppression(
        address_hash=addresses.address_hash(email) if email else hashed,
        address=email,
        reason=reason,
        source=actor,
        note=row.get("note", "")[:NOTE_MAX_LENGTH],
        expires_at=expires_at,
    )


def _time(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise ValueError("Expected a time such as 2026-12-31T00:00:00Z.")
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    if found <= now:
        raise ValueError("The time has passed.")
    return found
