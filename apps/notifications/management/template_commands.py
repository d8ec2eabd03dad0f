"""The subcommands of ``notify`` for templates: import and export them as files."""

from argparse import Namespace

from django.core.management.base import CommandError, OutputWrapper

from apps.notifications.embedded import demo
from apps.templates import catalog


def import_templates(arguments: Namespace, out: OutputWrapper) -> None:
    """Import changed templates, by default the demo's. Unchanged content creates no version."""
    try:
        imported = catalog.import_templates(arguments.folder or demo.TEMPLATES_DIR)
    except catalog.CatalogError as error:
        raise CommandError(str(error)) from None
    for line in imported:
        out.write(str(line))


def export_templates(arguments: Namespace, out: OutputWrapper) -> None:
    """Export the published versions."""
    catalog.export_templates(arguments.folder)
