"""Migration operations that build an index while other processes write to the table.

An ordinary CREATE INDEX stops all writes until the index is complete: half a minute for five
million rows. The migration must have ``atomic = False``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import migrations


@contextmanager
def _without_time_limit(schema_editor: Any) -> Iterator[None]:
    """Let statements take as long as they need. Other statements of this project have a limit."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        (usual,) = cursor.fetchone()
        cursor.execute("SET statement_timeout = 0")
        try:
            yield
        finally:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [usual])


def _is_postgresql(schema_editor: Any) -> bool:
    return bool(schema_editor.connection.vendor == "postgresql")


def _create(schema_editor: Any, name: str, statement: str) -> None:
    """Create an index. One that an interrupted creation has left is invalid and dropped first."""
    with _without_time_limit(schema_editor):
        schema_editor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
        schema_editor.execute(statement)


def _drop(schema_editor: Any, name: str) -> None:
    with _without_time_limit(schema_editor):
        schema_editor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')


class AddIndex(migrations.AddIndex):
    """Create an index, on PostgreSQL with CONCURRENTLY. The migration can be repeated."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Create the index."""
        if not _is_postgresql(schema_editor):
            schema_editor.execute(f'DROP INDEX IF EXISTS "{self.index.name}"')
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        statement = str(self.index.create_sql(model, schema_editor, concurrently=True))
        _create(schema_editor, self.index.name, statement)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Remove the index."""
        if _is_postgresql(schema_editor):
            _drop(schema_editor, self.index.name)
        else:
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class RemoveIndex(migrations.RemoveIndex):
    """Remove an index, on PostgreSQL with CONCURRENTLY."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Remove the index."""
        if _is_postgresql(schema_editor):
            _drop(schema_editor, self.name)
        else:
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class AddUniqueIndex(migrations.AddConstraint):
    """Create a unique constraint with a condition, which is a unique index, like ``AddIndex``."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Create the unique index."""
        if not _is_postgresql(schema_editor):
            schema_editor.execute(f'DROP INDEX IF EXISTS "{self.constraint.name}"')
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        begin = "CREATE UNIQUE INDEX "
        statement = str(self.constraint.create_sql(model, schema_editor))
        statement = statement.replace(begin, f"{begin}CONCURRENTLY ", 1)
        _create(schema_editor, self.constraint.name, statement)


class RemoveConstraint(migrations.RemoveConstraint):
    """Remove a constraint in a transaction, although the migration has none.

    SQLite copies the table for it. Without a transaction, a process that is killed meanwhile would
    leave the rows in a table of another name.
    """

    atomic = True
