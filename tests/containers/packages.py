"""What an engine of our own needs from Debian: Docker, Compose, mmdebstrap."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.containers.shell import CommandError, run, say, succeeds

# docker-compose.yml needs 2.24 (an optional .env). Debian 12 has 1.29, and the packages of
# Debian 13 are single programs that run on it as well.
OLDEST_COMPOSE = (2, 24)
PLUGIN_RELEASE = "trixie"
PLUGINS = ("docker-compose", "docker-buildx")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
INSTALL_SECONDS = 300
# It keeps a package from starting a server of its own; Debian documents it.
POLICY = Path("/usr/sbin/policy-rc.d")


class MissingPackageError(Exception):
    """A package is missing and cannot be installed here."""


def program(name: str) -> str:
    """Return the path of a program, which may be in a folder of administrators."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise MissingPackageError(f"{name} is not installed, and apt-get did not install it.")
    return found


def archive() -> str:
    """Return the address of Debian's archive that this machine uses.

    Raises:
        MissingPackageError: This machine uses none.
    """
    words = ("--format", "$(REPO_URI)", "Label: Debian", "Created-By: Packages")
    found = run("apt-get", "indextargets", *words, within=20).split()
    if not found:
        raise MissingPackageError("apt knows no archive of Debian: run apt-get update.")
    return found[0]


def ensure_engine() -> None:
    """Install Docker's daemon, its client and what makes stand-in images."""
    needed = {"dockerd": "docker.io", "iptables": "iptables", "mmdebstrap": "mmdebstrap"}
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [package for name, package in needed.items() if not shutil.which(name, path=path)]
    if missing:
        install(*missing)


def install(*names: str) -> None:
    """Install Debian packages without starting what they bring.

    Raises:
        MissingPackageError: This is not Debian, or it does not work.
    """
    if shutil.which("apt-get") is None:
        raise MissingPackageError(f"{', '.join(names)} is not installed, and this is not Debian.")
    say(f"Installing {', '.join(names)} …")
    made = not POLICY.exists()
    if made:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        run("apt-get", "update", "-qq", within=INSTALL_SECONDS, env=env)
        words = ("-y", "-qq", "--no-install-recommends")
        run("apt-get", "install", *words, *names, within=INSTALL_SECONDS, env=env)
    except CommandError as error:
        raise MissingPackageError(str(error)) from error
    finally:
        if made:
            POLICY.unlink(missing_ok=True)


def ensure_compose(cache: Path, env: Mapping[str, str]) -> None:
    """Ensure that ``docker compose`` is new enough; else take it from a newer Debian.

    Raises:
        MissingPackageError: It is too old or missing and cannot be had.
    """
    if _compose_version(env) >= OLDEST_COMPOSE:
        return
    config = env.get("DOCKER_CONFIG")
    if config is None:
        raise MissingPackageError("Docker Compose 2.24 or newer is needed.")
    say(f"Taking Docker Compose from Debian {PLUGIN_RELEASE} …")
    place = cache / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "packages"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    (place / "sources.list").write_text(
        f"deb [signed-by={KEYRING}] {archive()} {PLUGIN_RELEASE} main\n"
    )
    apart = [
        *("-o", f"Dir::Etc::sourcelist={place}/sources.list", "-o", "Dir::Etc::sourceparts=-"),
        *("-o", f"Dir::State::lists={place}/lists", "-o", f"Dir::Cache={place}/cache"),
        *("-o", "APT::Sandbox::User=root"),
    ]
    try:
        run("apt-get", *apart, "update", "-qq", within=INSTALL_SECONDS)
        packages = place / "packages"
        run("apt-get", *apart, "download", "-qq", *PLUGINS, within=INSTALL_SECONDS, cwd=packages)
        for package in packages.glob("*.deb"):
            run("dpkg-deb", "-x", package, place / "unpacked", within=60)
    except CommandError as error:
        raise MissingPackageError(str(error)) from error
    plugins = Path(config) / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    for plugin in (place / "unpacked/usr/libexec/docker/cli-plugins").iterdir():
        shutil.copy2(plugin, plugins)
    if _compose_version(env) < OLDEST_COMPOSE:
        raise MissingPackageError("Docker Compose of Debian does not run here.")


def _compose_version(env: Mapping[str, str]) -> tuple[int, ...]:
    if not succeeds("docker", "compose", "version", within=20, env=env):
        return (0,)
    version = run("docker", "compose", "version", "--short", within=20, env=env)
    numbers = version.strip().removeprefix("v").split("-")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdecimal())
