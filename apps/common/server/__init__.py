"""The HTTP server in front of Django: a thread gets a request only when it is complete."""

from apps.common.server.bodies import BodyLimits
from apps.common.server.connection import Connection
from apps.common.server.server import Limits, Server

__all__ = ["BodyLimits", "Connection", "Limits", "Server"]
