"""``notify doctor``: check what the installation depends on."""

from argparse import Namespace

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from apps.common.health import Health, Probe, overall
from apps.notifications.api.health import READY_PROBES


def doctor(arguments: Namespace, out: OutputWrapper) -> None:
    """Run all probes, and fail if one reports a problem."""
    rows = [probe.run() for probe in (*READY_PROBES, Probe(name="operators", check=_operators))]
    for row in rows:
        said = row.said or row.detail
        out.write(f"{row.status:<12} {row.name:<12} {row.latency_ms:>8.1f} ms  {said}")
    if overall(rows) is not Health.OK:
        raise CommandError("Something is not as it should be.")


def _operators() -> str:
    """Say whether anybody is told by mail. It is a choice, so nothing is wrong without."""
    count = len(settings.OPERATOR_EMAILS)
    if not count:
        return "OPERATOR_EMAILS is not set: nobody is told by mail"
    return f"OPERATOR_EMAILS is set: {count} address{'es' if count > 1 else ''}"
