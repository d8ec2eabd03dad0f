"""Everything that the database holds, as one text to look for a secret in."""

from typing import Any

from django.apps import apps
from django.db import models

# The words that a template says are no secret, and they hold the names of its variables.
NOT_LOOKED_INTO = {"contenttypes.ContentType", "auth.Permission"}


def readable(value: Any) -> str:
    """Write a value of a column out, bytes as the text that they may be."""
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("latin-1")
    return str(value)


def places_of(*secrets: str, besides: tuple[type[models.Model], ...] = ()) -> list[str]:
    """Return the columns of the whole database in which one of the secrets stands."""
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
