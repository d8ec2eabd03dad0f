"""A probe shows what the server said, without credentials."""

import pytest
from django.db import OperationalError

from apps.common.health import Health, Probe, ProbeFailed

# What libpq, PgBouncer, the clients of Redis and RabbitMQ say, and what is shown.
SAID = [
    (
        OperationalError(
            'connection failed: connection to server at "10.0.0.1" failed: '
            'FATAL:  password authentication failed for user "notify"\nconnection to server ...'
        ),
        (
            'OperationalError: connection failed: connection to server at "10.0.0.1" failed: '
            'FATAL: password authentication failed for user "notify"'
        ),
    ),
    (
        OperationalError(
            'connection failed: connection to server at "h", port 1 failed: Connection refused\n'
            "\tIs the server running on that host and accepting TCP/IP connections?"
        ),
        (
            'OperationalError: connection failed: connection to server at "h", port 1 failed: '
            "Connection refused"
        ),
    ),
    (
        OperationalError("connection failed:\nFATAL:  unsupported startup parameter: options"),
        "OperationalError: connection failed: FATAL: unsupported startup parameter: options",
    ),
    (
        ConnectionError("Error 111 connecting to redis://u:p@ss:word@h:6379. Connection refused."),
        "ConnectionError: Error 111 connecting to redis://h:6379. Connection refused.",
    ),
    (
        OSError("no route to amqp://guest:secret@h:5672//"),
        "OSError: no route to amqp://h:5672//",
    ),
    (TimeoutError(), "TimeoutError"),
    (TimeoutError("\n"), "TimeoutError"),
    (ProbeFailed("no worker serves email"), "no worker serves email"),
]


@pytest.mark.parametrize(("error", "shown"), SAID)
def test_a_failed_probe_shows_the_first_line_that_the_server_said(
    error: Exception, shown: str
) -> None:
    def check() -> str:
        raise error

    row = Probe(name="server", check=check).run()
    assert row.status is Health.DEGRADED
    assert (row.said or row.detail) == shown
    # Everybody may read this.
    assert row.public()["detail"] in {type(error).__name__, "no worker serves email"}


def test_a_row_that_the_database_refused_is_not_shown() -> None:
    def check() -> str:
        raise OperationalError("refused\nDETAIL:  Failing row contains (ada@example.com, secret).")

    assert Probe(name="server", check=check).run().said == "OperationalError: refused"
