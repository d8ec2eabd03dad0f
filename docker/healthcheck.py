# ruff: noqa: INP001 - a script of the image, not a module of the project.
"""Whether the process of this container is well: exit 0, or 1 with one line that says why.

``web`` and ``flower`` are asked over HTTP. ``process`` looks for the heartbeat that a worker, the
scheduler and the recorder write to the database, without starting Django for it.
"""

import os
import socket
import sys
import urllib.request
from pathlib import Path

TIMEOUT_SECONDS = 4
# As ``apps.notifications.operations.heartbeat.ALIVE_FOR``: three beats missed.
ALIVE_SECONDS = 35


def ask_http(url: str) -> None:
    """Raise unless the answer is a success."""
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS):  # noqa: S310 - always http on loopback.
        pass


def ask_heartbeat() -> None:
    """Raise unless a process of this host has beaten lately."""
    import psycopg  # noqa: PLC0415 - the other questions do without it.

    file = os.environ.get("DATABASE_URL_FILE")
    url = Path(file).read_text(encoding="utf-8").strip() if file else os.environ["DATABASE_URL"]
    with psycopg.connect(url, connect_timeout=TIMEOUT_SECONDS) as connection:
        alive = connection.execute(
            "SELECT 1 FROM notifications_heartbeat"
            " WHERE host = %s AND seen_at > now() - make_interval(secs => %s) LIMIT 1",
            (socket.gethostname(), ALIVE_SECONDS),
        ).fetchone()
    if alive is None:
        raise LookupError(f"no heartbeat of {socket.gethostname()} for {ALIVE_SECONDS} s")


def main(kind: str) -> None:
    """Ask the question of a kind of container."""
    match kind:
        case "web":
            ask_http(f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/health/ready")
        case "flower":
            ask_http(f"http://127.0.0.1:{os.environ.get('FLOWER_PORT', '5555')}/healthcheck")
        case "process":
            ask_heartbeat()
        case _:
            raise LookupError(f"there is no check called {kind!r}")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "web")
    except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer.
        sys.exit(f"{type(error).__name__}: {error}")
