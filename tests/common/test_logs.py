"""Log lines are JSON objects with a correlation id, and contain no personal data."""

import io
import json
import logging
import logging.config
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from celery import current_app
from celery.app.trace import build_tracer
from django.conf import settings as project
from django.db import DataError, IntegrityError
from rest_framework.test import APIClient

from apps.common import logs, masking
from apps.common.channels import Channel
from apps.common.ids import new_id
from apps.common.logs import BufferingHandler, logging_config
from apps.common.middleware.correlation import correlated
from apps.notifications.models import Notification
from apps.users import api_keys
from apps.users.models import User
from tests.common.urls import SECRET
from tests.journeys.http import until
from tests.notifications.delivering import deliver
from tests.notifications.factories import body


@contextmanager
def logged_to(captured: io.StringIO, format_name: str) -> Iterator[None]:
    """Write the log, in the format of the project, into a buffer that the test can read."""
    config = logging_config(level="DEBUG", format_name=format_name)
    formatter: Any = config["formatters"]["structured"]
    handler = logging.StreamHandler(captured)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=formatter["processors"], foreign_pre_chain=formatter["foreign_pre_chain"]
        )
    )
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    captured = io.StringIO()
    with logged_to(captured, "json"):
        yield captured


def read(captured: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.getvalue().splitlines()]


def test_a_line_is_one_object_with_the_usual_members(lines: io.StringIO) -> None:
    with correlated("corr-1", task="t"):
        structlog.get_logger("tests").warning("it happened\nover two lines", count=2)
        logging.getLogger("library").warning("of a %s", "library")
    ours, library = read(lines)
    assert ours["event"] == "it happened\nover two lines"
    assert (ours["level"], ours["count"], ours["correlation_id"]) == ("warning", 2, "corr-1")
    assert ours["at"].endswith("Z")
    assert library["event"] == "of a library"
    assert (library["logger"], library["correlation_id"]) == ("library", "corr-1")


def test_an_exception_is_logged_without_local_variables(
    lines: io.StringIO, client: Any, settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.common.urls"
    client.raise_request_exception = False
    assert client.get("/fails/rest").status_code == 500
    assert "ZeroDivisionError" in lines.getvalue()
    assert SECRET not in lines.getvalue()


@pytest.mark.django_db
def test_the_log_of_a_delivery_contains_no_data_of_the_recipient(
    lines: io.StringIO, alice: User
) -> None:
    User.objects.filter(pk=alice.pk).update(name="Alice Liddell")
    _, key = api_keys.create(name="shop")
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    asked = body(alice, variables={"name": "Wonderland-7", "link": "https://example.com/secret-9"})
    answer = caller.post(
        "/api/v1/notifications/", asked, format="json", HTTP_X_CORRELATION_ID="corr-7"
    )
    row = Notification.objects.get()
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    ours = [line for line in read(lines) if line.get("notification_id") == answer.json()["id"]]
    assert [line["event"] for line in ours] == ["notification accepted", "notification attempted"]
    assert {line["correlation_id"] for line in ours} == {"corr-7"}
    assert ours[0]["client"] == "shop"
    assert (ours[1]["status"], ours[1]["provider"], ours[1]["attempt"]) == (
        "delivered",
        "sandbox",
        1,
    )
    captured = lines.getvalue()
    secrets = [key, "alice@example.com", "Liddell", "Wonderland-7", "secret-9", "token-alice"]
    assert [secret for secret in secrets if secret in captured] == []


@pytest.mark.django_db
def test_the_log_of_a_refused_request_contains_no_values(
    lines: io.StringIO, shop: APIClient, alice: User
) -> None:
    asked = body(alice, variables={"name": "Wonderland-7"})
    assert shop.post("/api/v1/notifications/", asked, format="json").status_code == 422
    assert "Wonderland-7" not in lines.getvalue()
    assert "alice@example.com" not in lines.getvalue()


# A message of PostgreSQL about a row that cannot be stored, which quotes values of the row.
DATABASE_WORDS = (
    'duplicate key value violates unique constraint "users_user_email_key"\n'
    "DETAIL:  Key (name, code)=(Wonderland, 741852) already exists."
)
TOLD_BY_ERRORS = [
    (IntegrityError(DATABASE_WORDS), 'unique constraint "users_user_email_key"'),
    (DataError('invalid input syntax for type uuid: "Wonderland 741852"'), "for type uuid"),
    (ValueError("invalid literal for int() with base 10: 'Wonderland-741852'"), "base 10"),
    (OSError("no route to Wonderland741852@example.com"), "no route to"),
    (ExceptionGroup("two", [KeyError("Wonderland 741852")]), "two"),
]


def failing(error: Exception, secret: str) -> None:
    raise error from RuntimeError(f"while storing {secret!r}")


@pytest.mark.parametrize("format_name", ["json", "console"])
@pytest.mark.parametrize(("error", "kept"), TOLD_BY_ERRORS)
@pytest.mark.parametrize("logger", ["library", "structlog"])
def test_exception_messages_are_logged_without_values(
    format_name: str, error: Exception, kept: str, logger: str
) -> None:
    captured = io.StringIO()
    with logged_to(captured, format_name):
        try:
            failing(error, "Wonderland 741852")
        except Exception:
            if logger == "library":
                logging.getLogger("library").exception("it failed")
            else:
                structlog.get_logger("ours").exception("it failed")
    assert type(error).__name__ in captured.getvalue()
    assert kept in captured.getvalue().replace('\\"', '"')
    assert "failing" in captured.getvalue()
    assert "741852" not in captured.getvalue()


def test_the_log_of_a_failed_task_contains_no_values(lines: io.StringIO) -> None:
    def fails(ids: list[str]) -> None:
        raise IntegrityError(DATABASE_WORDS)

    task: Any = current_app.task(name="tests.fails", shared=False)(fails)
    tracer = build_tracer(task.name, task, app=current_app)
    tracer(str(new_id()), [["an-id"]], {}, {"delivery_info": {}, "argsrepr": "x"})
    assert "IntegrityError" in lines.getvalue()
    assert "741852" not in lines.getvalue()


@pytest.mark.parametrize(
    "secret",
    [
        "ada@example.com",
        "nk_live_abcdefgh_" + "S3cret" * 7 + "x",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "e30" * 20 + ".sig-nature" * 4,
        "/unsubscribe/" + "WyIwMTk4" * 10 + ":1tU5fQ:" + "a" * 43,
    ],
)
def test_a_secret_in_any_text_of_a_log_line_is_masked(lines: io.StringIO, secret: str) -> None:
    structlog.get_logger("ours").warning(f"saw {secret} here", path=f"/x {secret}")
    logging.getLogger("library").warning("of %s: %r", secret, {"a": secret})
    ours, library = read(lines)
    assert ours["event"].startswith("saw ")
    assert ours["event"].endswith(" here")
    for word in (secret, secret[-20:]):
        assert word not in str(ours) + str(library)


def test_masking_takes_little_cpu_time() -> None:
    line = {
        "event": "notification attempted",
        "notification_id": str(new_id()),
        "correlation_id": str(new_id()),
        "provider": "sandbox",
        "status": "delivered",
        "reason": "",
    }
    # CPU time instead of wall-clock time, because the machine may be busy.
    started = time.process_time()
    for _ in range(1000):
        masking.mask(None, "info", dict(line))
    assert time.process_time() - started < 0.2
    started = time.process_time()
    masking.masked("a" * 90 + " " + "b.c@" * 5000 + "x" * 100_000)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("format_name", ["json", "console"])
def test_the_logging_configuration_is_valid(format_name: str) -> None:
    config = logging_config(level="INFO", format_name=format_name)
    assert config["root"] == {"handlers": ["stderr"], "level": "INFO"}
    try:
        logging.config.dictConfig(config)
    finally:
        logging.config.dictConfig(project.LOGGING)


class Slow(io.StringIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


@pytest.fixture
def buffered() -> Iterator[tuple[logging.Logger, Slow]]:
    handler, written = BufferingHandler(), Slow()
    handler.setStream(written)
    logger = logging.Logger("buffered")  # noqa: LOG001 - a logger that is not shared.
    logger.addHandler(handler)
    yield logger, written
    handler.flush()


def test_lines_are_written_at_once_unless_buffering_is_on(
    buffered: tuple[logging.Logger, Slow],
) -> None:
    logger, written = buffered
    logger.info("one")
    assert written.getvalue() == "one\n"


def test_buffered_lines_are_written_together(
    buffered: tuple[logging.Logger, Slow],
) -> None:
    logger, written = buffered
    handler: Any = logger.handlers[0]
    handler.buffer()
    handler.buffer()
    for number in range(100):
        logger.info("%s", number)
    until(lambda: written.getvalue().count("\n") == 100, within=5, what="the lines")
    assert written.getvalue().split() == [str(number) for number in range(100)]
    assert written.writes < 20


def test_a_warning_is_written_at_once_and_after_earlier_lines(
    buffered: tuple[logging.Logger, Slow],
) -> None:
    logger, written = buffered
    handler: Any = logger.handlers[0]
    handler.buffer()
    logger.info("before")
    logger.warning("now")
    assert written.getvalue() == "before\nnow\n"


def test_a_line_that_cannot_be_formatted_does_not_stop_the_log(
    buffered: tuple[logging.Logger, Slow], capsys: pytest.CaptureFixture[str]
) -> None:
    logger, written = buffered
    handler: Any = logger.handlers[0]
    handler.buffer()
    logger.warning("%d", "no number")
    logger.warning("after")
    assert written.getvalue() == "after\n"
    assert "no number" in capsys.readouterr().err


class Gone(Slow):
    """A stream whose reader is gone until ``gone`` is false."""

    gone = True

    def write(self, text: str) -> int:
        if self.gone:
            raise BrokenPipeError
        return super().write(text)


def test_a_lost_reader_stops_neither_the_program_nor_later_writes(
    buffered: tuple[logging.Logger, Slow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger, _ = buffered
    handler: Any = logger.handlers[0]
    reader = Gone()
    handler.setStream(reader)
    handler.buffer()
    logger.warning("to nobody")
    logger.info("to nobody either")
    until(lambda: not handler._buffered, within=5, what="a try to write")
    reader.gone = False
    logger.info("back again")
    until(lambda: reader.getvalue() == "back again\n", within=5, what="the line")


def test_lines_of_concurrent_threads_are_all_written(buffered: tuple[logging.Logger, Slow]) -> None:
    logger, written = buffered
    handler: Any = logger.handlers[0]
    handler.buffer()

    def say(thread: int) -> None:
        for number in range(200):
            level = logging.WARNING if number % 50 == 0 else logging.INFO
            logger.log(level, "%s-%s", thread, number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(say, range(4)))
    handler.flush()
    said = written.getvalue().split()
    assert sorted(said) == sorted(f"{t}-{n}" for t in range(4) for n in range(200))


def test_the_web_process_buffers_the_lines_of_its_own_handler() -> None:
    root = logging.getLogger()
    handler = BufferingHandler()
    root.addHandler(handler)
    try:
        logs.buffer()
        assert handler._is_buffering
    finally:
        root.removeHandler(handler)
