"""The web processes: ``python -m notifications_project.web``."""

import argparse
import multiprocessing
import sys
from importlib import import_module

from apps.common.serving import serve

SERVER = "notifications_project.server:server"
SETTINGS = "notifications_project.settings"


def read_settings() -> None:
    """Read the settings in a process that ends, and end with its status if they are invalid.

    The supervisor starts each process again that ends, so invalid settings would never stop it. It
    does not read them itself: that would take 20 MB for as long as it runs.
    """
    reader = multiprocessing.get_context("fork").Process(target=import_module, args=(SETTINGS,))
    reader.start()
    reader.join()
    if reader.exitcode:
        sys.exit(reader.exitcode)


def main() -> None:
    """Parse the command line and serve until a signal stops the process."""
    parser = argparse.ArgumentParser(prog="python -m notifications_project.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.processes > 1:
        read_settings()
    serve(SERVER, host=options.host, port=options.port, processes=options.processes)


if __name__ == "__main__":
    main()
