"""A mail server that acts on each accepted mail, and database failures at chosen statements."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from django.db import OperationalError, connection

from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from tests.fakes.smtp_server import Conversation, SmtpServer


class CallbackSmtpServer(SmtpServer):
    """SMTP server that runs a callback after it has taken a mail and before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.on_next_mail: Callable[[], object] | None = None

    def _take(self, talk: Conversation, content: bytes) -> None:
        super()._take(talk, content)
        act, self.on_next_mail = self.on_next_mail, None
        if act is not None:
            # Not in the event loop's thread, where Django refuses database queries.
            thread = threading.Thread(target=close_connection_after, args=(act,))
            thread.start()
            thread.join()


def close_connection_after(act: Callable[[], object]) -> None:
    with closing(connection):
        act()


def once_each(server: SmtpServer, rows: list[Notification]) -> bool:
    expected = {f"<{row.pk}@example.com>".encode(): 1 for row in rows}
    return server.message_ids == expected


@contextmanager
def run_before_statements(part: str, *, times: int, action: Callable[[], None]) -> Iterator[None]:
    """Run ``action`` before the first ``times`` statements that contain ``part``.

    Raises:
        AssertionError: There were fewer such statements.
    """
    left = times

    def execute(run: Callable[..., Any], sql: str, *given: Any) -> Any:
        nonlocal left
        if left and part in sql:
            left -= 1
            action()
        return run(sql, *given)

    with connection.execute_wrapper(execute):
        yield
    assert not left, f"{left} statements with {part} are missing"


def lose_the_connection() -> None:
    raise OperationalError("the connection is lost")


MOVE_ROWS = 'UPDATE "notifications_notification"'


def taken_back(row: Notification, status: Status, **columns: Any) -> Callable[[], object]:
    """Return a callback that changes a row as others did while its worker was suspended."""
    changes = {"status": status, "claim_id": None, "claimed_until": None, "crashes": 1, **columns}
    return lambda: Notification.objects.filter(pk=row.pk).update(**changes)
