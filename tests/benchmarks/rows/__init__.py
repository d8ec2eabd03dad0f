"""The rows of the table by name; each row is a function that measures and returns lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Line
from tests.benchmarks.pace import Pace
from tests.benchmarks.rows import (
    bulk,
    http_calls,
    idle,
    latency,
    limits,
    lists,
    mail,
    retention,
    scaling,
    single,
    soak,
    upload,
    webhooks,
)

Measure = Callable[[Bench, Pace], Sequence[Line]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table.

    Attributes:
        says: A description of what it measures.
        usual: Whether it runs when the command line names no row.
        compares: Whether a run with rows stored compares it with an empty table. Otherwise it
            stores the rows itself.
    """

    says: str
    measure: Measure
    usual: bool = True
    compares: bool = True


ROWS: dict[str, Row] = {
    "single": Row(
        says="POST /notifications on 16 and 64 connections, without workers and with them",
        measure=single.measure,
    ),
    "bulk": Row(says="POST /notifications/bulk, a thousand rows each", measure=bulk.measure),
    "mail": Row(says="delivery of queued mails by two worker processes", measure=mail.measure),
    "push": Row(
        says="delivery of queued push messages at 50 ms provider latency", measure=http_calls.push
    ),
    "sendgrid": Row(
        says="delivery of queued mails over SendGrid at 50 ms a call",
        measure=http_calls.sendgrid,
    ),
    "webhooks": Row(
        says="events to a fast webhook, and beside one that hangs", measure=webhooks.measure
    ),
    "latency": Row(says="one mail from request to SMTP at 100/s offered", measure=latency.measure),
    "scaling": Row(
        says="1, 2 and 4 workers of each kind, 1 and 2 web processes", measure=scaling.measure
    ),
    "upload": Row(
        says="a file of a million rows, from the call to its last row",
        measure=upload.measure,
        usual=False,
    ),
    "retention": Row(
        says="a million old rows are deleted beside requests and deliveries",
        measure=retention.measure,
        usual=False,
    ),
    "limits": Row(
        says="bulk mails under a maximum of ours, and under a limit of the server",
        measure=limits.measure,
        usual=False,
    ),
    "lists": Row(
        says="each list and search of the API and the admin, STORED= rows and a million users",
        measure=lists.measure,
        usual=False,
        compares=False,
    ),
    "soak": Row(
        says="MINUTES=10 at 60 % of the top rate: memory, losses, latency",
        measure=soak.measure,
        usual=False,
    ),
    "idle": Row(
        says="MINUTES=10 without any request: processor time, memory, transactions",
        measure=idle.measure,
        usual=False,
    ),
}
