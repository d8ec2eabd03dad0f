"""An uploaded file, from the beginning of the call until its last row has been created."""

import http.client
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import psycopg

from tests.benchmarks import content
from tests.benchmarks.audience import Audience
from tests.benchmarks.bench import Bench
from tests.benchmarks.cpu import meter
from tests.benchmarks.database import since
from tests.benchmarks.figures import Line, Turn
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import alternate, compared
from tests.benchmarks.stack import BenchStack
from tests.journeys.http import until

LEAST_RATE = 8000.0
# A file whose rows are created more slowly than this is given up.
SLOWEST_RATE, FIRST_SECONDS = 500, 60
ENDED = "SELECT accepted FROM notifications_batch WHERE id = %s AND state = 'finished'"


class NotTakenError(Exception):
    """The file was not accepted."""


def write_file(path: Path, audience: Audience, rows: int) -> None:
    """Write a CSV file with a row for each user in turn."""
    run = uuid4().hex[:8]
    with path.open("w") as file:
        file.write("user_id,variables.name,variables.ref\n")
        file.writelines(
            f"{audience.user(number)},Ada,upload-{run}-{number:07d}\n" for number in range(rows)
        )


def post(base: str, key: str, path: Path, *, scheduled_for: datetime) -> str:
    """Upload a file as a stream and return the id of its batch.

    Raises:
        NotTakenError: The file was not accepted.
    """
    given = {"notification_type": "email", "template_code": content.MAIL_TEMPLATE}
    query = urlencode({**given, "scheduled_for": scheduled_for.isoformat()})
    headers = {
        "Authorization": f"Api-Key {key}",
        "Content-Type": "text/csv",
        "Content-Length": str(path.stat().st_size),
    }
    line = http.client.HTTPConnection(urlsplit(base).netloc, timeout=FIRST_SECONDS)
    with path.open("rb") as file:
        line.request("POST", f"/api/v1/batches/upload?{query}", file, headers)
        answer = line.getresponse()
    body = json.loads(answer.read())
    line.close()
    if answer.status != 202:
        raise NotTakenError(f"{answer.status}: {str(body)[:300]}")
    return str(body["batch_id"])


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Upload a file without workers, because a batch waits while the workers have enough to do."""
    path = bench.folder / "upload.csv"
    write_file(path, bench.audience, pace.uploaded)
    with bench.stack(web=2) as stack:
        go = _turn(bench, stack, path, rows=pace.uploaded)
        found = alternate({"ours": go}, rounds=pace.rounds, turns=1)
    return [
        replace(
            compared(f"upload of a file of {pace.uploaded:,} rows", found, ours="ours"),
            least_rate=LEAST_RATE,
            note="the rows are scheduled for the next day, so that none waits for a worker",
        )
    ]


def _turn(bench: Bench, stack: BenchStack, path: Path, *, rows: int) -> Callable[[], Turn]:
    def go() -> Turn:
        bench.clean()
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        meanwhile, written = meter(bench.groups(stack)), since(bench.url(bench.database))
        began = monotonic()
        batch_id = post(stack.base, bench.audience.key, path, scheduled_for=tomorrow)
        accepted = _accepted(bench, batch_id, within=FIRST_SECONDS + rows / SLOWEST_RATE)
        return Turn(
            units=accepted,
            seconds=monotonic() - began,
            used=replace(meanwhile(), units=rows, bytes=written()),
            wrong=() if accepted == rows else (f"{accepted} of {rows} rows were accepted",),
        )

    return go


def _accepted(bench: Bench, batch_id: str, *, within: float) -> int:
    """Wait until all rows of a batch were processed, and return how many were accepted."""
    with psycopg.connect(bench.url(bench.database), autocommit=True) as database:
        (accepted,) = until(
            lambda: database.execute(ENDED, [batch_id]).fetchone(), within=within, what="the rows"
        )
    return int(accepted)
