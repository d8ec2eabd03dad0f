"""A mail server that acts on each accepted mail, and database failures at chosen statements."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

from django.db import OperationalError, connection

from apps.notifications.broker.topology import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from tests.fakes.smtp_server import Conversation, SmtpServer
from tests.notifications.delivering import deliver


class Observed(SmtpServer):
    """SMTP server that runs a callback after it has taken a mail and before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.once_taken: Callable[[], object] | None = None

    def _take(self, talk: Conversation, content: bytes) -> None:
        super()._take(talk, content)
        act, self.once_taken = self.once_taken, None
        if act is not None:
            # Not in the event loop's thread, where Django refuses database queries.
            acting = threading.Thread(target=and_close, args=(act,))
            acting.start()
            acting.join()


def and_close(act: Callable[[], object]) -> None:
    with closing(connection):
        act()


def driven(*rows: Notification, channel: Channel = Channel.EMAIL) -> None:
    deliver(channel=channel, ids=[row.pk for row in rows], attempt=rows[0].attempts)
    for row in rows:
        row.refresh_from_db()


def copies(server: SmtpServer) -> Counter[bytes]:
    return server.message_ids


def once_each(server: SmtpServer, rows: list[Notification]) -> bool:
    expected = {f"<{row.pk}@example.com>".encode(): 1 for row in rows}
    return copies(server) == expected


def breaking(beginning: str, *, times: int, by: Callable[[], None]) -> Callable[..., Any]:
    """Run ``by`` before the first ``times`` statements that begin with ``beginning``."""
    left = times

    def execute(run: Callable[..., Any], sql: str, *given: Any) -> Any:
        nonlocal left
        if left and sql.startswith(beginning):
            left -= 1
            by()
        return run(sql, *given)

    return execute


def lose_the_connection() -> None:
    raise OperationalError("the connection is lost")


MOVE_ROWS = 'UPDATE "notifications_notification"'


def taken_back(row: Notification, status: Status, **columns: Any) -> Callable[[], object]:
    """Return a callback that changes a row as others did while its worker was suspended."""
    changes = {"status": status, "claim_id": None, "claimed_until": None, "crashes": 1, **columns}
    return lambda: Notification.objects.filter(pk=row.pk).update(**changes)
