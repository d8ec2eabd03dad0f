"""What the latest calls brought, for authors who change what a template needs."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from apps.common.ids import first_id_at
from apps.notifications.models import Notification
from apps.templates.composing import missing_paths
from apps.templates.models import TemplateVersion

LOOKED_BACK = timedelta(days=7)
CALLS_LOOKED_AT = 10_000


def missing_in_calls(version: TemplateVersion, paths: Sequence[str]) -> tuple[dict[str, int], int]:
    """Count the calls of the last week in which variables were missing that a version needs.

    The newest ``CALLS_LOOKED_AT`` notifications are read, because no index finds those of one
    template. The variables of a sensitive template are not kept, so it has no calls here.

    Args:
        version: A version with its template.
        paths: The variables, as dotted paths.

    Returns:
        In how many calls each of them was missing, and how many calls were looked at.
    """
    if not paths:
        return {}, 0
    newest = Notification.objects.filter(pk__gte=first_id_at(timezone.now() - LOOKED_BACK))
    calls = Notification.objects.filter(
        pk__in=newest.order_by("-pk").values("pk")[:CALLS_LOOKED_AT],
        template_code=version.template.code,
        language=version.language,
        sensitive=False,
    )
    missing: Counter[str] = Counter()
    count = 0
    for variables in calls.values_list("variables", flat=True).iterator():
        count += 1
        missing.update(path for path in paths if missing_paths([path], variables))
    return dict(missing), count
