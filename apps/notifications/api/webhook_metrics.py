"""The metrics of the webhooks, without a scan of the deliveries."""

from collections import Counter
from collections.abc import Iterator

from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from apps.webhooks.delivery import claim
from apps.webhooks.models import Endpoint, Total

# What ``Total`` counts, and the words of it.
OUTCOMES = {"delivered": "delivered", "attempt_failed": "failed"}
GIVEN_UP = "failed"


def families() -> Iterator[Metric]:
    """Return calls by outcome, events that were given up, endpoints by state, and what waits."""
    totals = dict(Total.objects.values_list("name", "count"))
    calls = CounterMetricFamily(
        "notifications_webhook_attempts", "Calls of webhooks by outcome.", labels=["outcome"]
    )
    for name, outcome in OUTCOMES.items():
        calls.add_metric([outcome], totals.get(name, 0))
    yield calls
    yield CounterMetricFamily(
        "notifications_webhook_given_up",
        "Events whose last attempt failed.",
        value=totals.get(GIVEN_UP, 0),
    )
    endpoints = GaugeMetricFamily(
        "notifications_webhook_endpoints",
        "Webhooks: working, failing since the last success, or disabled.",
        labels=["state"],
    )
    states = Counter({"working": 0, "failing": 0, "disabled": 0})
    rows = Endpoint.objects.filter(deleted_at=None).values_list("enabled", "failing_since")
    for enabled, failing_since in rows:
        states["disabled" if not enabled else "failing" if failing_since else "working"] += 1
    for state, count in states.items():
        endpoints.add_metric([state], count)
    yield endpoints
    oldest = claim.oldest_due()
    overdue = max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0.0
    yield GaugeMetricFamily(
        "notifications_webhook_overdue_seconds",
        "For how long the oldest event has waited that may be sent to its webhook now.",
        value=overdue,
    )
