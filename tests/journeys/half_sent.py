"""Connections that each send the beginning of a request body and then wait."""

import selectors
import socket
from contextlib import ExitStack

PATHS = ("users/login", "users/token/refresh", "users/password/reset")
TOO_LATE = b"HTTP/1.1 408 "


class HalfSent:
    """A set of half-sent requests to a local port."""

    def __init__(self, port: int, opened: ExitStack) -> None:
        self._port = port
        self._opened = opened
        self._waiting = opened.enter_context(selectors.DefaultSelector())
        self._begun = 0
        self.answers: list[bytes] = []

    @property
    def waiting(self) -> int:
        return len(self._waiting.get_map())

    def begin(self) -> None:
        """Open one more connection, with the next of the paths."""
        path = PATHS[self._begun % len(PATHS)]
        self._begun += 1
        connection = self._opened.enter_context(socket.create_connection(("127.0.0.1", self._port)))
        connection.sendall(
            f"POST /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            'Content-Type: application/json\r\nContent-Length: 2000\r\n\r\n{"email'.encode()
        )
        self._waiting.register(connection, selectors.EVENT_READ)

    def take_answers(self, *, within: float) -> None:
        """Read the responses received so far and close their connections."""
        for key, _ in self._waiting.select(within):
            self._waiting.unregister(key.fileobj)
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            self.answers.append(connection.recv(len(TOO_LATE)))
            connection.close()
