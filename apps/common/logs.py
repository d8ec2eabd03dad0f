"""Structured logs: every line of every library, as JSON or for the eye, with the bound context."""

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


def _as_json(line: Any, **_: Any) -> str:
    """Write a line with the compiled encoder; what JSON does not know by its ``str``."""
    return msgspec.json.encode(line, enc_hook=str).decode()


def logging_config(*, level: str, format_name: str) -> dict[str, Any]:
    """Return a ``dictConfig`` and set structlog up to feed it.

    Args:
        level: The lowest level that is written, such as ``INFO``.
        format_name: ``json`` or ``console``.
    """
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
            "stderr": {"class": "logging.StreamHandler", "formatter": "structured"},
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
