# ruff: noqa: INP001 - a script of the image, not a module of the project.
"""Whether the process of this container is well: exit 0, or 1 with one line that says why.

``web`` and ``flower`` are asked over HTTP. ``process`` reads the age of the file that the heartbeat
thread of a worker, the scheduler and the recorder writes. It runs every few seconds for as long as
the container lives, so it imports little: neither Django nor an HTTP client.
"""

import os
import socket
import sys
import time

TIMEOUT_SECONDS = 4
# As ``apps.notifications.operations.heartbeat.ALIVE_FOR``: three beats missed.
ALIVE_SECONDS = 35


def served_host() -> str:
    """Return a host that the web process answers to: it refuses those not in ALLOWED_HOSTS."""
    first = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip()
    if first in {"", "*"}:
        return "127.0.0.1"
    # A leading dot means all names below this one.
    return f"health{first}" if first.startswith(".") else first


def ask_http(port: str, path: str, host: str = "127.0.0.1") -> None:
    """Raise unless the answer of the server on this port is a success."""
    with socket.create_connection(("127.0.0.1", int(port)), TIMEOUT_SECONDS) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        answer = b""
        while b"\r\n" not in answer and (part := connection.recv(4096)):
            answer += part
    line = answer.partition(b"\r\n")[0].decode("latin-1")
    if line.split(" ")[1:2] != ["200"]:
        raise LookupError(f"{path} answers {line!r}")


def ask_heartbeat(file: str) -> None:
    """Raise unless the process of this container has beaten lately."""
    if not file:
        raise LookupError("HEARTBEAT_FILE names no file")
    try:
        age = time.time() - os.stat(file).st_mtime  # noqa: PTH116 - pathlib takes as long as the rest.
    except FileNotFoundError:
        raise LookupError(f"there is no heartbeat yet ({file})") from None
    if age > ALIVE_SECONDS:
        raise LookupError(f"no heartbeat for {age:.0f} s")


def main(kind: str) -> None:
    """Ask the question of a kind of container."""
    match kind:
        case "web":
            ask_http(os.environ.get("PORT", "8000"), "/health/ready", served_host())
        case "flower":
            ask_http(os.environ.get("FLOWER_PORT", "5555"), "/healthcheck")
        case "process":
            ask_heartbeat(os.environ.get("HEARTBEAT_FILE", ""))
        case _:
            raise LookupError(f"there is no check called {kind!r}")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "web")
    except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer.
        sys.exit(f"{type(error).__name__}: {error}")
