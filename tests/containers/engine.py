"""The container engine: the one that answers, else one of our own that is ended afterwards.

An own engine has its folder, socket and images under ``var/containers/``. It needs root. It has no
bridge and no packet filter, so it works where the kernel gives neither; published ports go through
Docker's own proxy, and a build uses the network of the host.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.containers import packages
from tests.containers.shell import CommandError, run, say, succeeds

START_SECONDS = 60
STOP_SECONDS = 60
# What an engine of our own keeps of earlier builds, so that the next one is short.
KEPT_FOR_BUILDS = "5GB"
# The path of a socket may have about a hundred characters, so the folder cannot be below a
# checkout with a long path.
RUN_DIR = Path("/run/notifications-containers")


class NoEngineError(Exception):
    """No engine answers, and none can be started here."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that answers.

    Attributes:
        own: Whether this program started it.
        env: The environment for the ``docker`` command.
        said: What it is, in words.
    """

    own: bool
    said: str
    env: dict[str, str] = field(repr=False)

    def docker(self, *words: str | Path, within: float, given: str | None = None) -> str:
        """Run ``docker`` and return its output."""
        return run("docker", *words, within=within, env=self.env, given=given)


@contextmanager
def engine(cache: Path) -> Iterator[Engine]:
    """Use the engine that answers, or run one of our own for as long as the block lasts.

    Raises:
        NoEngineError: No engine answers, and none can be started here.
    """
    if succeeds("docker", "info", within=20):
        env = dict(os.environ)
        packages.ensure_compose(cache, env)
        yield Engine(own=False, env=env, said=f"the engine that answers ({_version(env)})")
        return
    if os.geteuid() != 0:
        raise NoEngineError("No container engine answers, and starting one here needs root.")
    packages.ensure_engine()
    # Not the data of other engines: neither their images nor their containers.
    folder = cache / "engine"
    config = cache / "config"
    for place in (folder, config, RUN_DIR):
        place.mkdir(mode=0o711, parents=True, exist_ok=True)
    env = {
        **os.environ,
        "DOCKER_HOST": f"unix://{RUN_DIR}/docker.sock",
        "DOCKER_CONFIG": str(config),
    }
    packages.ensure_compose(cache, env)
    with _daemon(folder, env):
        yield Engine(own=True, env=env, said=f"an engine of our own ({_version(env)})")


@contextmanager
def _daemon(folder: Path, env: dict[str, str]) -> Iterator[None]:
    pid_file = RUN_DIR / "dockerd.pid"
    _end_left_over(pid_file)
    log = (folder.parent / "dockerd.log").open("wb")
    process = subprocess.Popen(  # noqa: S603 - Docker's daemon with arguments of ours.
        [
            packages.program("dockerd"),
            *("-H", env["DOCKER_HOST"]),
            *("--data-root", str(folder)),
            *("--exec-root", str(RUN_DIR / "exec")),
            *("--pidfile", str(pid_file)),
            *("--storage-driver", "overlay2"),
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        # Ctrl-C must reach this program alone, which takes the containers down first.
        start_new_session=True,
    )
    try:
        until = time.monotonic() + START_SECONDS
        while not succeeds("docker", "info", within=5, env=env):
            if process.poll() is not None or time.monotonic() > until:
                raise NoEngineError(f"dockerd does not start here; see {log.name}.")
            time.sleep(0.3)
        # Nothing of an earlier run that was killed may start again by its restart policy.
        _empty(env)
        yield
    finally:
        _empty(env)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            say("The engine did not stop by itself and is killed.")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        log.close()
        shutil.rmtree(RUN_DIR, ignore_errors=True)


def _empty(env: dict[str, str]) -> None:
    """Remove all containers, networks, volumes and unnamed images of an engine of our own."""
    with suppress(CommandError):
        left = run("docker", "ps", "--all", "--quiet", within=20, env=env).split()
        if left:
            run("docker", "rm", "--force", "--volumes", *left, within=120, env=env)
        volumes = run("docker", "volume", "ls", "--quiet", within=20, env=env).split()
        if volumes:
            run("docker", "volume", "rm", "--force", *volumes, within=60, env=env)
        for kind in ("network", "image"):
            run("docker", kind, "prune", "--force", within=120, env=env)
        words = ("builder", "prune", "--force", "--keep-storage", KEPT_FOR_BUILDS)
        run("docker", *words, within=120, env=env)


def _end_left_over(pid_file: Path) -> None:
    """End the engine of an earlier run that was killed, if the process is still that engine."""
    try:
        pid = int(pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if str(RUN_DIR).encode() not in command:
        return
    say(f"Ending the engine that an earlier run left behind (process {pid}).")
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.3)


def _version(env: dict[str, str]) -> str:
    words = "{{.Server.Version}} {{.Server.Os}}/{{.Server.Arch}}"
    try:
        version = run("docker", "version", "--format", words, within=20, env=env).strip()
        compose = run("docker", "compose", "version", "--short", within=20, env=env).strip()
    except CommandError:
        return "version unknown"
    return f"Docker {version}, Compose {compose}"
