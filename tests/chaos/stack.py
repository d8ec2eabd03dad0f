"""The real stack, as ``make stack`` runs it, on servers that the tests started."""

import json
import os
import shutil
import signal
import subprocess
import urllib.request
import xmlrpc.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

from tests import services
from tests.chaos.family import begun_with, family, kill_family, signal_one
from tests.journeys.http import Api, until
from tests.journeys.processes import BIN, ROOT, Process, bare_environment, free_port

START_SECONDS = 120
COMMAND_SECONDS = 60
STOP_SECONDS = 30
WORKERS = ("email", "email-urgent", "push", "push-urgent", "webhooks")
# The programs are those of the real stack; only the control socket is added.
SUPERVISION = """
[unix_http_server]
file={folder}/supervisor.sock
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files={programs}
"""


class Stack:
    """Web, workers, scheduler, recorder and Flower under supervisord.

    Args:
        folder: Where its log and its socket are stored.
        settings: Additional environment variables.
        root: The tree whose programs run.
        name: The name of its folder.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str], *, root: Path = ROOT, name: str = "stack"
    ) -> None:
        self.root, self.settings = root, settings
        self.folder = folder / name
        self.folder.mkdir(mode=0o700)
        self.port = free_port()
        supervision = self.folder / "supervisord.conf"
        programs = root / "docker" / "stack.conf"
        supervision.write_text(SUPERVISION.format(folder=self.folder, programs=programs))
        self.env = {
            "ENV_FILE": "/dev/null",
            "PORT": str(self.port),
            "FLOWER_PORT": str(free_port()),
            "STACK_RUN_DIR": str(self.folder),
            "STACK_CONF": str(supervision),
            "SECRET_KEY": services.SECRET_KEY,
            "ALLOWED_HOSTS": "127.0.0.1",
            **settings,
        }
        self._process: Process | None = None
        self._second_application: list[Process] = []

    def __enter__(self) -> Self:
        self._process = Process(
            str(self.root / "docker" / "stack.sh"),
            log=self.folder / "log",
            env=self.env,
            cwd=self.root,
        )
        try:
            until(self.ready, within=START_SECONDS, what="the stack to be ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._second_application:
            kill_family(process.pid)
        if self._process is not None:
            kill_family(self._process.pid)
        # A process that supervisord started while it was being killed has another parent by now.
        for pid in begun_with(f"STACK_RUN_DIR={self.folder}"):
            signal_one(pid, signal.SIGKILL)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """Return whether every dependency and every worker is ready."""
        try:
            with urllib.request.urlopen(  # noqa: S310 - loopback.
                f"{self.base}/health/ready", timeout=5
            ) as answer:
                return bool(json.loads(answer.read())["status"] == "ok")
        except OSError:
            return False

    def api(self) -> Api:
        """Create an API client with a key that has all scopes."""
        printed = subprocess.run(  # noqa: S603 - a command of this project.
            [f"{BIN}/python", "manage.py", "notify", "create-api-key", "--name", "chaos"],
            cwd=self.root,
            env={**bare_environment(), **self.env},
            check=True,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        ).stdout
        return Api(base=self.base, key=printed.strip().splitlines()[-1])

    def programs(self) -> list[str]:
        """Return the names of its programs. Those of another release may differ."""
        infos: Any = self._supervisor().getAllProcessInfo()
        return [info["name"] for info in infos]

    def pid(self, program: str) -> int | None:
        """Return the process id of a program; None if it is not running."""
        info: Any = self._supervisor().getProcessInfo(f"stack:{program}")
        return int(info["pid"]) or None

    def kill(self, program: str) -> None:
        """Kill a program and its children with SIGKILL; supervisord starts it again."""
        pid = self.pid(program)
        if pid is not None:
            kill_family(pid)

    def kill_children(self, program: str) -> None:
        """Kill the children of a program with SIGKILL, as the kernel does when memory runs out."""
        pid = self.pid(program)
        for child in family(pid)[1:] if pid is not None else []:
            signal_one(child, signal.SIGKILL)

    def stop(self, program: str) -> None:
        """Stop a program with SIGTERM and wait until it has ended."""
        self._supervisor().stopProcess(f"stack:{program}")

    def restart(self, program: str) -> None:
        """Stop a program as an operator would, and start it again."""
        self.stop(program)
        self._supervisor().startProcess(f"stack:{program}")

    def freeze(self) -> None:
        """Suspend all its processes, including supervisord, as on a frozen machine."""
        known: set[int] = set()
        while new := set(begun_with(f"STACK_RUN_DIR={self.folder}")) - known:
            for pid in new:
                signal_one(pid, signal.SIGSTOP)
            known |= new

    def thaw(self) -> None:
        """Resume all its processes."""
        for pid in begun_with(f"STACK_RUN_DIR={self.folder}"):
            signal_one(pid, signal.SIGCONT)

    @contextmanager
    def without(self, *programs: str) -> Iterator[None]:
        """Stop programs as an operator would, and start them again afterwards."""
        supervisor = self._supervisor()
        for program in programs:
            supervisor.stopProcess(f"stack:{program}")
        try:
            yield
        finally:
            for program in programs:
                supervisor.startProcess(f"stack:{program}")

    @contextmanager
    def beside(self, *command: str) -> Iterator[Process]:
        """Run an additional process with the environment of the stack."""
        log = self.folder / f"beside-{len(self._second_application)}.log"
        process = Process(*command, log=log, env=self.env, cwd=self.root)
        self._second_application.append(process)
        try:
            yield process
        finally:
            # As an operator would: a worker finishes its chunk, within the same time limit.
            process.signal_group(signal.SIGTERM)
            try:
                process._popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                kill_family(process.pid)

    def _supervisor(self) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self.folder}/supervisor.sock")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def faketime() -> str | None:
    """Find the program that gives a process another clock."""
    return shutil.which("faketime")


def celery(*lanes: str, name: str) -> list[str]:
    """Return the command of a worker for these lanes."""
    worker = [f"{BIN}/celery", "-A", "notifications_project", "worker", "--concurrency", "1"]
    name_and_lanes = ["-Q", ",".join(lanes), "-n", f"{name}-{os.getpid()}@localhost"]
    return [*worker, *name_and_lanes, "--without-gossip", "--without-mingle"]


SCHEDULER = (f"{BIN}/python", "manage.py", "run_scheduler")
