"""Between the network and Django: a request is whole before a thread works on it."""

from apps.common.server.bodies import BodyLimits
from apps.common.server.connection import Connection
from apps.common.server.server import Limits, Server

__all__ = ["BodyLimits", "Connection", "Limits", "Server"]
