"""The order by bytes, in which an index finds all texts that begin with a given one."""

from typing import Any

from django.db.models import CharField, Func, Value
from django.db.models.functions import Concat, Lower

# No character comes after this one.
LAST_CHARACTER = "\U0010ffff"


class Bytewise(Func):
    """A text that is compared byte by byte, and not as a language sorts it.

    PostgreSQL sorts by the language of the database, in which a prefix is no range of an index.
    SQLite always compares bytes, and does not know the collation.
    """

    arity = 1
    template = "%(expressions)s"
    output_field = CharField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Return the SQL with the collation of bytes."""
        return super().as_sql(
            compiler, connection, template='(%(expressions)s) COLLATE "C"', **context
        )


def prefix_range(key: str, prefix: str, *, lower: bool = False) -> dict[str, Any]:
    """Return the conditions of an annotated ``Bytewise`` key that begins with a prefix.

    A range is used and not LIKE: it needs no escape character, and SQLite reads no index for LIKE.

    Args:
        key: The name of the annotation.
        prefix: The text, in which no character has a special meaning.
        lower: Whether the database converts the prefix to lower case, as it did for the index.
    """
    first: Any = Lower(Value(prefix)) if lower else Value(prefix)
    return {f"{key}__gte": first, f"{key}__lt": Concat(first, Value(LAST_CHARACTER))}
