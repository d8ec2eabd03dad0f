"""Insert new rows in bulk, in a fraction of what ``bulk_create`` costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec
from django.db import connections, models, router

# How a column's value is written in JSON so that PostgreSQL reads it back; the encoder writes the
# rest as PostgreSQL takes it: UUIDs, times with their zone, numbers, texts, null.
CONVERTED: dict[str, Callable[[bytes], str]] = {"BinaryField": lambda value: f"\\x{value.hex()}"}
UNDERSTOOD = frozenset(
    {
        "BinaryField",
        "BooleanField",
        "CharField",
        "DateTimeField",
        "IntegerField",
        "JSONField",
        "PositiveIntegerField",
        "PositiveSmallIntegerField",
        "TextField",
        "UUIDField",
    }
)

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """How the rows of one model are written.

    Attributes:
        statement: Takes one parameter: the rows as a JSON list.
        columns: Their names, in the order of the values.
        values: Reads a row's values.
        converted: The places whose values are converted, and how.
    """

    statement: str
    columns: tuple[str, ...]
    values: Callable[[models.Model], tuple[Any, ...]]
    converted: tuple[tuple[int, Callable[[Any], str]], ...]


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model, whose keys are set, by one statement: all of them or none.

    PostgreSQL gets them as one JSON parameter, where an INSERT of Django has one for each value
    and is compiled anew each time; for four rows at once that is a fifth of the work on this side
    and as much on the other. Other databases get what ``bulk_create`` makes.

    Raises:
        IntegrityError: A constraint refuses a row.
        TypeError: The model has a field of a kind that this module does not know.
    """
    if not rows:
        return
    model = type(rows[0])
    using = router.db_for_write(model)
    connection = connections[using]
    if connection.vendor != "postgresql":
        model._base_manager.using(using).bulk_create(rows)  # noqa: SLF001 - public since long.
        return
    plan = _plan_of(model)
    with connection.cursor() as cursor:
        cursor.execute(
            plan.statement, [_encoder.encode([_written(row, plan) for row in rows]).decode()]
        )
    for row in rows:
        row._state.adding, row._state.db = False, using


def _written(row: models.Model, plan: _Plan) -> dict[str, Any]:
    written = dict(zip(plan.columns, plan.values(row), strict=True))
    for place, convert in plan.converted:
        name = plan.columns[place]
        if written[name] is not None:
            written[name] = convert(written[name])
    return written


@cache
def _plan_of(model: type[models.Model]) -> _Plan:
    meta = model._meta
    kinds = [_kind(field) for field in meta.local_concrete_fields]
    columns = tuple(str(field.column) for field in meta.local_concrete_fields)
    listed = ", ".join(f'"{column}"' for column in columns)
    source = f'json_populate_recordset(NULL::"{meta.db_table}", %s)'
    return _Plan(
        statement=f'INSERT INTO "{meta.db_table}" ({listed}) SELECT {listed} FROM {source}',  # noqa: S608 - names of ours.
        columns=columns,
        values=attrgetter(*(field.attname for field in meta.local_concrete_fields)),
        converted=tuple(
            (place, CONVERTED[kind]) for place, kind in enumerate(kinds) if kind in CONVERTED
        ),
    )


def _kind(field: Any) -> str:
    target = field.target_field if field.remote_field else field
    kind = str(target.get_internal_type())
    if kind not in UNDERSTOOD:
        message = f"{field} is a {kind}, which insert() does not know how to write."
        raise TypeError(message)
    return kind
