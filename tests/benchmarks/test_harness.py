"""Tests of the benchmark: sinks count, contenders work, a small round has the right result.

They do not measure speed.
"""

import json
import os
import smtplib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from apps.notifications.batches.file_rows import FileFormat, rows
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.models import Attempt, DeadLetter, Notification
from apps.notifications.providers.fcm.provider import FcmProvider
from apps.notifications.providers.sendgrid import SendGridProvider, body_of
from apps.notifications.providers.smtp.provider import SmtpProvider
from apps.users.models import User
from tests.benchmarks import content, crowd, stored
from tests.benchmarks.audience import Audience
from tests.benchmarks.bench import service_account_pem
from tests.benchmarks.contenders import bulk_create, http_pool, raw_mail
from tests.benchmarks.cpu import memory_mb, meter
from tests.benchmarks.open_loop import offer
from tests.benchmarks.processes import end
from tests.benchmarks.rows.http_calls import FCM, SENDGRID
from tests.benchmarks.rows.lists import ASKED, sample
from tests.benchmarks.rows.upload import write_file
from tests.benchmarks.rows.watching import watched
from tests.benchmarks.sinks import fcm
from tests.benchmarks.sinks.program import Sink
from tests.benchmarks.wrk import Target
from tests.chaos.family import begun_with
from tests.fakes.http_server import Answer, HttpServer, Request
from tests.fakes.messages import a_mail, a_push
from tests.journeys.http import until
from tests.journeys.processes import BIN, ROOT, Process, bare_environment, free_port

MAILS = 20


def test_the_baseline_of_a_provider_has_as_many_threads_as_ours() -> None:
    assert FcmProvider.threads == FCM.threads
    assert SendGridProvider.threads == SENDGRID.threads


CONTENDERS = "tests.benchmarks.contenders"


@pytest.fixture(scope="module")
def smtp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with Sink("smtp", tmp_path_factory.mktemp("sink")) as sink:
        yield sink


@pytest.fixture(scope="module")
def push(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with Sink("fcm", tmp_path_factory.mktemp("sink"), "--latency=0.01") as sink:
        yield sink


@pytest.fixture(scope="module")
def sendgrid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with Sink("sendgrid", tmp_path_factory.mktemp("sink"), "--latency=0.01") as sink:
        yield sink


def test_a_round_of_our_provider_is_counted_by_the_sink(smtp: Sink, settings: Any) -> None:
    settings.SMTP_HOST, settings.SMTP_PORT, settings.SMTP_TLS = smtp.host, smtp.port, "none"
    provider = SmtpProvider()
    mails = [a_mail(subject=f"Your order {number}") for number in range(MAILS)]

    smtp.reset()
    reading = watched(
        smtp,
        MAILS,
        groups={"smtp sink": smtp.pid},
        during=lambda: [provider.send(mail) for mail in mails],
    )
    provider.close()

    assert reading.wrong == ()
    assert reading.rate > 0
    assert set(smtp.times()) == {str(number) for number in range(MAILS)}


def test_a_duplicate_mail_and_a_missing_mail_are_errors(smtp: Sink) -> None:
    def send() -> None:
        with smtplib.SMTP(smtp.host, smtp.port, timeout=5) as line:
            for number in (1, 2, 2):
                mail = f"Subject: {number}\nMessage-ID: <{number}@x>\n\nHello\n.\nend\n"
                line.sendmail("a@example.com", "b@example.com", mail)

    smtp.reset()
    reading = watched(smtp, 3, groups={}, during=send)

    assert reading.wrong == ("2 different messages of 3 came", "1 copies came")


@pytest.mark.parametrize("builder", ["standard", "ours"])
def test_the_raw_sender_sends_the_requested_number_of_mails(smtp: Sink, builder: str) -> None:
    smtp.reset()
    reading = watched(
        smtp,
        MAILS,
        groups={},
        during=lambda: raw_mail.send(smtp.port, MAILS, 2, builder),
    )

    assert reading.wrong == ()


def test_the_celery_task_sends_a_mail(smtp: Sink) -> None:
    smtp.reset()
    call = (
        f"from {CONTENDERS}.celery_mail import send; send('ada@example.com', 'Ada', 'tutorial-1')"
    )
    given = {"CONTENDER_SMTP_PORT": str(smtp.port), "CONTENDER_BROKER_URL": "memory://"}
    run("-c", call, **given)

    assert set(smtp.times()) == {"tutorial-1"}


def test_the_pool_sends_the_http_calls_of_push_messages(push: Sink) -> None:
    push.reset()
    reading = watched(
        push,
        MAILS,
        groups={},
        during=lambda: http_pool.send("fcm", push.port, MAILS, 4),
    )

    assert reading.wrong == ()


def test_the_pool_sends_the_http_calls_of_mails(sendgrid: Sink) -> None:
    sendgrid.reset()
    reading = watched(
        sendgrid,
        MAILS,
        groups={},
        during=lambda: http_pool.send("sendgrid", sendgrid.port, MAILS, 4),
    )

    assert reading.wrong == ()


def test_the_pool_of_mails_sends_the_body_that_our_provider_sends() -> None:
    ours = body_of(a_mail(html="<p>Hello</p>", headers={"List-Unsubscribe": content.UNSUBSCRIBE}))
    theirs = http_pool.mail_body("pool-1")

    assert theirs.keys() == ours.keys()
    assert theirs["custom_args"].keys() == ours["custom_args"].keys()
    assert theirs["headers"].keys() - ours["headers"].keys() == {"List-Unsubscribe-Post"}
    assert [part["type"] for part in theirs["content"]] == [
        part["type"] for part in ours["content"]
    ]


def test_our_provider_accepts_the_sendgrid_sink_as_sendgrid(sendgrid: Sink, settings: Any) -> None:
    settings.SENDGRID_API_KEY = "SG.sink"
    settings.SENDGRID_API_URL = f"http://{sendgrid.host}:{sendgrid.port}"
    sendgrid.reset()
    provider = SendGridProvider()

    reply = provider.send(a_mail())
    provider.close()

    assert reply.outcome is Outcome.ACCEPTED
    assert sendgrid.taken().distinct == 1


def test_our_provider_accepts_the_push_sink_as_fcm(
    push: Sink, settings: Any, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    fcm.write_key_file(key, port=push.port, private_key_pem=service_account_pem())
    settings.FCM_SERVICE_ACCOUNT_FILE = str(key)
    settings.FCM_API_URL = f"http://{push.host}:{push.port}"
    push.reset()
    provider = FcmProvider()

    reply = provider.send(a_push())
    provider.close()

    assert reply.outcome is Outcome.ACCEPTED
    assert push.taken().distinct == 1


def test_the_bare_view_inserts_a_row_for_each_request(tmp_path: Path) -> None:
    database = tmp_path / "bare.sqlite3"
    given = {"CONTENDER_DATABASE_URL": f"sqlite:///{database}"}
    run("-m", f"{CONTENDERS}.bare_django", **given)
    port = free_port()
    words = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    module = f"{CONTENDERS}.bare_django:application"
    server = Process(f"{BIN}/granian", *words, module, log=tmp_path / "log", env=given)
    try:
        until(lambda: offered(port) == [], within=20, what="the view to answer")
        refused = offered(port)
    finally:
        end(server)

    assert refused == []
    with closing(sqlite3.connect(database)) as rows:
        assert rows.execute("SELECT count(*) FROM bare_accepted").fetchone() == (2,)


def offered(port: int) -> list[str]:
    """Send one request and return the errors of its answer."""
    return offer(a_target(port), rate=100, count=1, body=lambda _: a_body())[1]


def a_target(port: int) -> Target:
    url = f"http://127.0.0.1:{port}/accept"
    return Target(url=url, authorization="Api-Key x", bodies=[], processes={})


def a_body() -> bytes:
    return content.encoded(content.request("email", str(UUID(int=1)), "single-1"))


class Counter(HttpServer):
    """HTTP server that accepts every second request."""

    requests = 0

    def respond(self, request: Request) -> Answer:
        self.requests += 1
        return Answer(status=202 if self.requests % 2 else 429)


def test_the_open_loop_sends_everything_and_reports_refusals() -> None:
    with Counter() as server:
        sent, refused = offer(a_target(server.port), rate=500, count=10, body=lambda _: b"{}")

    assert sorted(sent) == list(range(10))
    assert refused == ["429: b''"] * 5


def test_cpu_time_and_memory_include_the_descendants() -> None:
    used = meter({"this": os.getpid()})
    while used().processor["this"] == 0:
        sum(range(100_000))

    assert used().share()["this"] > 0
    assert replace(used(), units=1).cost_ms()["this"] > 0
    assert memory_mb(os.getpid()) > 10


def test_a_process_is_found_by_its_environment() -> None:
    mark = f"BENCH_MARK={UUID(int=os.getpid())}"
    name, _, value = mark.partition("=")
    words = [sys.executable, "-c", "input()"]
    with subprocess.Popen(words, env={name: value}, stdin=subprocess.PIPE) as process:  # noqa: S603
        until(lambda: begun_with(mark) == [process.pid], within=5, what="the process to be found")
        assert process.stdin is not None
        process.stdin.close()
    assert begun_with(mark) == []


@pytest.mark.services
def test_stored_notifications_are_finished_and_have_ids_in_time_order(db: None) -> None:
    users = [str(UUID(int=number)) for number in (1, 2)]
    with connection.cursor() as cursor:
        numbers = {"first": 1, "last": 10, "total": 10}
        cursor.execute(stored.FILL, {**numbers, "users": users, "people": 2})
        cursor.execute(stored.ATTEMPTS)

    rows = list(Notification.objects.order_by("id"))
    assert len(rows) == 10
    assert {row.id.version for row in rows} == {7}
    assert [row.created_at for row in rows] == sorted(row.created_at for row in rows)
    assert {(row.status, row.wake_at, len(row.body_digest)) for row in rows} == {("sent", None, 32)}
    assert Attempt.objects.count() == 10


def test_the_uploaded_file_has_a_different_row_for_each_user_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "upload.csv"
    write_file(path, Audience(key="x", user_ids=["first", "second"]), rows=3)
    with path.open("rb") as file:
        header, *found = [json.loads(row.text) for row in rows(file, FileFormat.CSV)]

    assert header == ["user_id", "variables.name", "variables.ref"]
    assert [row[0] for row in found] == ["first", "second", "first"]
    assert len({row[2] for row in found}) == 3


def test_bulk_create_inserts_the_rows_that_a_bulk_call_stores(db: None) -> None:
    seconds = bulk_create.insert(bulk_create.rows_of(MAILS))

    assert seconds > 0
    assert Notification.objects.filter(
        status="pending", request_id__startswith="bench"
    ).count() == (MAILS)


def run(*words: str, **env: str) -> str:
    return subprocess.run(  # noqa: S603 - programs of this project.
        [sys.executable, *words],
        cwd=ROOT,
        env={**bare_environment(), **env},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


@pytest.mark.services
def test_the_crowd_has_users_and_their_notifications(
    transactional_db: None,
) -> None:
    named = {name: connection.settings_dict[name] for name in ("USER", "PASSWORD", "HOST", "PORT")}
    place = "{USER}:{PASSWORD}@{HOST}:{PORT}".format_map(named)
    url = f"postgresql://{place}/{connection.settings_dict['NAME']}"
    crowd.fill(url, notifications=100, people=20)

    rows = list(Notification.objects.order_by("id"))
    users = set(User.objects.values_list("pk", flat=True))
    assert (len(rows), len(users), Attempt.objects.count()) == (100, 20, 100)
    assert {row.user_id for row in rows} <= users
    assert {row.id.version for row in rows} == {7}
    assert [row.status for row in rows].count("failed") == 1
    assert DeadLetter.objects.count() == 1
    assert len(sample(url, 100)) == ASKED
