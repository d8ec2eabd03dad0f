"""Starts many processes of Django, each by a fork of one process that has imported the libraries.

A new process takes 2 s of CPU time for ``django.setup()``, and 1.2 s to refuse a bad value; most of
that is the import of libraries. After a fork it takes 0.4 s and 0.15 s. Before the fork nothing of
this project is imported and no setting is read, so each process is as good as a new one.

It reads a line of JSON for each process (``code``, ``env``, ``cwd`` and ``output``, a folder) and
writes the exit code of the process on a line. What the process writes is in files of that folder.
"""

import gc
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

LIBRARIES = (
    "celery.app.amqp",
    "celery.app.control",
    "dj_database_url",
    "django.contrib.admin.options",
    "django.contrib.postgres.fields",
    "django.core.servers.basehttp",
    "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base",
    "email_validator",
    "environs",
    "psycopg",
    "redis",
    "requests",
    "rest_framework.serializers",
    "structlog",
)
SECONDS = 60
PROJECT = ("apps", "notifications_project")


def next_process() -> dict[str, Any] | None:
    """Fork for each line, and return it in the new process; return None after the last line."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            return dict(json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return None


def become(given: dict[str, Any]) -> None:
    """Take the environment, folder, files and arguments of ``python -c CODE``."""
    output = Path(given["output"])
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, output / "stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, output / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        file = os.open(name, flags)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(given["env"])
    os.chdir(given["cwd"])
    sys.argv = ["-c"]
    # The folder of this file was put there by Python; with ``-c`` it is the current folder.
    sys.path[0] = ""
    # A process that hangs is killed, so that the next test can start its own.
    signal.alarm(SECONDS)


for library in LIBRARIES:
    importlib.import_module(library)
assert not [name for name in sys.modules if name.partition(".")[0] in PROJECT]
# A fork takes one thread along, and not the others.
assert threading.active_count() == 1
# At its end each process would look through all objects that it has inherited.
gc.freeze()
process = next_process()
if process is not None:
    become(process)
    # An error or an exit of the code is that of the process.
    exec(compile(process["code"], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - the code of a test.
