"""Search every column of the database for a secret."""

from typing import Any

from django.apps import apps
from django.db import models

# Labels of models and permissions contain no secrets, but may contain the searched words.
NOT_LOOKED_INTO = {"contenttypes.ContentType", "auth.Permission"}


def readable(value: Any) -> str:
    """Return the value of a column as text; bytes are decoded as Latin-1."""
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("latin-1")
    return str(value)


def columns_with(*secrets: str, besides: tuple[type[models.Model], ...] = ()) -> list[str]:
    """Return every column and secret where a value in the database contains the secret."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        if model._meta.label in NOT_LOOKED_INTO or model in besides:
            continue
        names = [field.attname for field in model._meta.concrete_fields]
        for row in model._base_manager.values_list(*names):
            found += [
                f"{model._meta.label}.{name}: {secret}"
                for name, value in zip(names, row, strict=True)
                for secret in secrets
                if secret in readable(value)
            ]
    return sorted(set(found))
