"""Structured logs: every line of every library, as JSON or for the eye, with the bound context."""

import logging
import threading
import time
from contextlib import suppress
from typing import Any

import msgspec
import structlog

from apps.common import masking

SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    structlog.processors.StackInfoRenderer(),
]

# No line waits longer than this, and one that warns does not wait at all.
GATHERING_SECONDS = 0.05


class BufferingHandler(logging.StreamHandler[Any]):
    """Writes each line at once, until it is told to write the lines of a moment together.

    A line alone costs its process a call of the system and whoever reads the log another one; in a
    web process that was a tenth of a request. What gathers is lost with a process that is killed,
    so only the processes that answer and deliver do this: what they say of a notification is also
    in its row.
    """

    def __init__(self) -> None:
        super().__init__()
        self._gathered: list[str] = []
        self._something = threading.Event()
        self._gathering = False

    def gather(self) -> None:
        """Write the lines of each moment together from now on."""
        if not self._gathering:
            self._gathering = True
            threading.Thread(target=self._write_on, name="log-writer", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Write or keep a line."""
        if not self._gathering:
            super().emit(record)
            return
        try:
            self._gathered.append(self.format(record) + self.terminator)
            if record.levelno >= logging.WARNING:
                self.flush()
            elif not self._something.is_set():
                self._something.set()
        except Exception:  # noqa: BLE001 - a line that cannot be written must not end the work.
            self.handleError(record)

    def flush(self) -> None:
        """Write what has gathered."""
        self.acquire()
        try:
            gathered, self._gathered = self._gathered, []
            if gathered:
                self.stream.write("".join(gathered))
            super().flush()
        finally:
            self.release()

    def _write_on(self) -> None:
        while True:
            self._something.wait()
            time.sleep(GATHERING_SECONDS)
            self._something.clear()
            # A full disk or a reader that is gone costs these lines, and must not end this thread.
            with suppress(OSError, ValueError):
                self.flush()


def gather() -> None:
    """Have this process write the lines of each moment together."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, BufferingHandler):
            handler.gather()


def flush() -> None:
    """Write what has gathered, as at the end of a process."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _as_json(line: Any, **_: Any) -> str:
    """Write a line with the compiled encoder; what JSON does not know by its ``str``."""
    return msgspec.json.encode(line, enc_hook=str).decode()


def _leave_out_what_no_line_shows() -> None:
    """Spare each record the look for its place in the code, its thread and its process.

    As ``logging`` describes it under "Optimization".
    """
    logging._srcfile = None  # noqa: SLF001 - as documented there.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def logging_config(*, level: str, format_name: str) -> dict[str, Any]:
    """Return a ``dictConfig`` and set structlog up to feed it.

    Args:
        level: The lowest level that is written, such as ``INFO``.
        format_name: ``json`` or ``console``.
    """
    _leave_out_what_no_line_shows()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED_PROCESSORS,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: list[Any]
    if format_name == "json":
        renderer = [
            masking.mask,
            structlog.processors.EventRenamer("event"),
            structlog.processors.JSONRenderer(serializer=_as_json),
        ]
    else:
        renderer = [
            masking.mask,
            masking.as_text,
            structlog.dev.ConsoleRenderer(colors=False),
        ]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": "structlog.stdlib.ProcessorFormatter",
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *renderer,
                ],
                "foreign_pre_chain": SHARED_PROCESSORS,
            },
        },
        "handlers": {
            "stderr": {"()": BufferingHandler, "formatter": "structured"},
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Refusals are answers, not incidents: the access log of the server has them.
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "amqp": {"level": "WARNING"},
            # It warns that memory:// names no host, at each connection.
            "kombu.connection": {"level": "ERROR"},
        },
    }
