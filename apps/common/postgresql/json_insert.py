"""Insert new rows in bulk at a fraction of the cost of ``bulk_create``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
from django.db import connections, models, router, transaction

# Field types whose values are converted to JSON so that PostgreSQL can read them. The encoder
# writes all others as PostgreSQL accepts them: UUIDs, times with their zone, numbers, texts, null.
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
    """How to insert the rows of one model.

    Attributes:
        statement: The INSERT; its one parameter is the rows as a JSON list.
        columns: The column names, in the order of the values.
        values: Returns the values of a row.
        converted: The positions of values to convert, each with its function.
    """

    statement: str
    columns: tuple[str, ...]
    values: Callable[[models.Model], tuple[Any, ...]]
    converted: tuple[tuple[int, Callable[[Any], str]], ...]


def insert(rows: Sequence[models.Model], *others: Sequence[models.Model]) -> None:
    """Insert new rows with one statement, either all of them or none.

    The primary keys must be set. PostgreSQL receives the rows as one JSON parameter. An INSERT by
    Django has one parameter for each value and is compiled each time. For four rows this takes a
    fifth of the work in this process and as much in the database. Other databases use
    ``bulk_create``.

    Args:
        rows: New rows, all of the same model.
        others: New rows of other models, each sequence of one model. They are inserted by the same
            statement, so that all of them are stored or none, without a transaction around it.

    Raises:
        IntegrityError: A row violates a constraint.
        TypeError: The model has a field type that this module does not support.
    """
    groups = [group for group in (rows, *others) if group]
    if not groups:
        return
    using = router.db_for_write(type(groups[0][0]))
    connection = connections[using]
    if connection.vendor != "postgresql":
        _create(groups, using)
        return
    plans = [_plan_of(type(group[0])) for group in groups]
    *first, last = (plan.statement for plan in plans)
    named = ", ".join(f"inserted_{place} AS ({text})" for place, text in enumerate(first))
    with _binding_cursor(connection) as cursor:
        cursor.execute(
            f"WITH {named} {last}" if named else last,
            [
                _encoder.encode([_written(row, plan) for row in group]).decode()
                for group, plan in zip(groups, plans, strict=True)
            ],
        )
    for row in chain.from_iterable(groups):
        row._state.adding, row._state.db = False, using


def _binding_cursor(connection: Any) -> Any:
    """Return a cursor that sends parameters apart from the statement.

    Django's usual cursor writes them into the statement, where PostgreSQL has to parse them once
    more. For rows of 500 bytes, this cursor takes a fifth less of the database's time.
    """
    from django.db.backends.postgresql.base import (  # noqa: PLC0415 - loads the database's driver.
        ServerBindingCursor,
    )

    connection.ensure_connection()
    cursor = ServerBindingCursor(connection.connection)  # type: ignore[call-arg] # Its stub has none.
    if connection.queries_logged:
        return connection.make_debug_cursor(cursor)
    return connection.make_cursor(cursor)


def _create(groups: Sequence[Sequence[models.Model]], using: str) -> None:
    with transaction.atomic(using=using, savepoint=False):
        for group in groups:
            type(group[0])._base_manager.using(using).bulk_create(group)  # noqa: SLF001 - documented by Django.


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
        statement=f'INSERT INTO "{meta.db_table}" ({listed}) SELECT {listed} FROM {source}',  # noqa: S608 - only our own names.
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
