"""Between the HTTP server and Django: a request is whole before a thread works on it."""

from apps.common.server.application import Server
from apps.common.server.bodies import BodyLimits

__all__ = ["BodyLimits", "Server"]
