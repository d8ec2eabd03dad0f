"""Logs: one JSON object per line, or readable text in the console format."""

from apps.common.logs import logging_config
from notifications_project.settings import environment

ACCESS_LOG = environment.ACCESS_LOG
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_config(level=environment.LOG_LEVEL, format_name=environment.LOG_FORMAT)
