"""Structured logs: every line of every library, as JSON or as text, with the bound context."""

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

# The longest time that a line stays in the buffer. A warning or an error is written at once.
BUFFER_SECONDS = 0.05


class BufferingHandler(logging.StreamHandler[Any]):
    """Write each line at once, or in short batches after ``buffer`` was called.

    An unbuffered line costs one system call in the writing process and one in the process that
    reads the log; in a web process that was a tenth of the time of a request. Buffered lines are
    lost when the process is killed. So only the web and delivery processes buffer: what they log
    about a notification is also stored in its row.
    """

    def __init__(self) -> None:
        super().__init__()
        self._buffered: list[str] = []
        self._something = threading.Event()
        self._is_buffering = False

    def buffer(self) -> None:
        """Write lines in batches from now on."""
        if not self._is_buffering:
            self._is_buffering = True
            threading.Thread(target=self._write_buffered, name="log-writer", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line or add it to the buffer."""
        if not self._is_buffering:
            super().emit(record)
            return
        try:
            self._buffered.append(self.format(record) + self.terminator)
            if record.levelno >= logging.WARNING:
                self.flush()
            elif not self._something.is_set():
                self._something.set()
        except Exception:  # noqa: BLE001 - a line that cannot be written must not stop the caller.
            self.handleError(record)

    def flush(self) -> None:
        """Write the buffered lines."""
        self.acquire()
        try:
            buffered, self._buffered = self._buffered, []
            if buffered:
                self.stream.write("".join(buffered))
            super().flush()
        finally:
            self.release()

    def _write_buffered(self) -> None:
        while True:
            self._something.wait()
            time.sleep(BUFFER_SECONDS)
            self._something.clear()
            # On a full disk or a closed pipe these lines are lost, but this thread must continue.
            with suppress(OSError, ValueError):
                self.flush()


def buffer() -> None:
    """Make this process write its log lines in batches."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, BufferingHandler):
            handler.buffer()


def flush() -> None:
    """Write the buffered lines, for example before the process ends."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _as_json(line: Any, **_: Any) -> str:
    """Encode a line with msgspec; use ``str`` for types that JSON does not have."""
    return msgspec.json.encode(line, enc_hook=str).decode()


def _leave_out_what_no_line_shows() -> None:
    """Stop ``logging`` from collecting the source line, thread and process of each record.

    The documentation of ``logging`` describes this under "Optimization".
    """
    logging._srcfile = None  # noqa: SLF001 - documented there.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def logging_config(*, level: str, format_name: str) -> dict[str, Any]:
    """Configure structlog and return the ``dictConfig`` that formats its lines.

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
            # Refused requests are not incidents; the access log of the server shows them.
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "amqp": {"level": "WARNING"},
            # It warns at each connection that memory:// has no host.
            "kombu.connection": {"level": "ERROR"},
        },
    }
