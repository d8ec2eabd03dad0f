"""The web processes: ``python -m notifications_project.web``."""

import argparse

from apps.common.serving import serve

SERVER = "notifications_project.server:server"


def main() -> None:
    """Parse the command line and serve until a signal stops the process."""
    parser = argparse.ArgumentParser(prog="python -m notifications_project.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    serve(SERVER, host=options.host, port=options.port, processes=options.processes)


if __name__ == "__main__":
    main()
