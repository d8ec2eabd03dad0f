"""A client application that is told what happens, and the account of what it was told."""

from collections import Counter
from collections.abc import Iterable, Mapping

import psycopg
from standardwebhooks import Webhook, WebhookVerificationError

from tests.chaos.ledger import Row
from tests.fakes.http_server import Answer, Request
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.journeys.http import Api

LATENCY_SECONDS = 0.002
CONNECT_SECONDS = 5
SHOWN = 5
FINAL = frozenset({"sent", "delivered", "bounced", "failed", "skipped", "expired", "cancelled"})
# The waits between attempts are up to a day; other tests have them. Here what waits is due at once.
MAKE_DUE = (
    "UPDATE webhooks_delivery SET wake_at = now() WHERE wake_at > now() AND claim_id IS NULL",
    "UPDATE webhooks_endpoint SET open_until = NULL WHERE open_until IS NOT NULL",
)
LEFT = "SELECT state, count(*) FROM webhooks_delivery WHERE state <> 'delivered' GROUP BY state"
STORED = """
    SELECT notification_id::text, event FROM webhooks_delivery
    WHERE notification_id IS NOT NULL AND state = 'delivered' AND created_at >= to_timestamp(%s)
"""

Told = tuple[str, str]


class WebhookStandIn(WebhookReceiver):
    """Counts what it has taken: answered with 2xx, with a signature that is right.

    Attributes:
        told: How often, by notification id and event type.
    """

    def __init__(self) -> None:
        super().__init__(latency=LATENCY_SECONDS)
        self.told: Counter[Told] = Counter()

    def respond(self, request: Request) -> Answer:
        answer = self.script(request) if self.script is not None else Answer(status=204)
        if self.secret is None:
            return answer
        try:
            event = Webhook(self.secret).verify(request.body, request.headers)
        except WebhookVerificationError:
            self.forged += 1
            return answer
        if answer.status == Answer(status=204).status and not (answer.hang or answer.drop):
            self.told[event["data"].get("notification_id", ""), event["type"]] += 1
        return answer

    def register(self, api: Api) -> str:
        """Register it for everything, and return the id of the webhook."""
        made = api.made("/api/v1/webhooks/", {"url": self.hook, "events": ["*"]})
        self.secret = made["secret"]
        return str(made["id"])


def make_due(url: str) -> None:
    """Make every delivery that waits for its next attempt due now."""
    with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
        for statement in MAKE_DUE:
            connection.execute(statement)


def left(url: str) -> dict[str, int]:
    """Return how many deliveries are not delivered, by state."""
    with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
        return dict(connection.execute(LEFT).fetchall())


def stored(url: str, *, since: float) -> list[Told]:
    """Return what the rows call delivered."""
    with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
        return [(pk, event) for pk, event in connection.execute(STORED, [since]).fetchall()]


def expected(rows: Iterable[Row]) -> list[Told]:
    """Return what a client must have been told of its notifications, at the least."""
    found: list[Told] = []
    for row in rows:
        found.append((row.id, "notification.accepted"))
        if row.status in FINAL:
            found.append((row.id, f"notification.{row.status}"))
    return found


def missing(wanted: Iterable[Told], told: Mapping[Told, int], *, what: str) -> list[str]:
    """Return in words what was not told."""
    lost = [each for each in wanted if each not in told]
    shown = ", ".join(f"{event} of {pk}" for pk, event in lost[:SHOWN])
    return [f"{len(lost)} events {what} did not arrive: {shown}"] if lost else []
