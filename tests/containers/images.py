"""The images that the compose files name: from their registry, else stand-ins made from Debian.

The stand-ins have the same users, entry points and paths as the official images, as far as the
compose files use them. Their versions are Debian's, so a run with them says which stood in.
"""

import hashlib
import os
import shutil
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.containers.engine import Engine
from tests.containers.packages import archive
from tests.containers.shell import CommandError, run, say
from tests.contracts.deployment_files import ComposeLoader

STAND_INS = Path(__file__).parent / "stand_ins"
# Services by the stand-in that takes their place. The backup has the programs of PostgreSQL.
TARGETS = {
    "postgresql": "postgres",
    "backup": "postgres",
    "rabbitmq": "rabbitmq",
    "redis": "redis",
    "prometheus": "prometheus",
    "caddy": "caddy",
    "mailpit": "mailpit",
}
PULL_SECONDS = 300
# Whether the registry answers at all is asked with one image and a short limit.
ASK_SECONDS = 60
TREE_SECONDS = 600
BUILD_SECONDS = 600

SERVERS_RELEASE = "trixie"
SERVERS_PACKAGES = (
    "busybox,ca-certificates,caddy,gosu,openssl,postgresql-17,prometheus,rabbitmq-server,"
    "redis-server"
)
PYTHON_RELEASE = "bookworm"
PYTHON_PACKAGES = (
    "ca-certificates,libbz2-1.0,libffi8,liblzma5,libncursesw6,libreadline8,libsqlite3-0,libssl3,"
    "libuuid1,netbase,tzdata,zlib1g"
)
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LABEL = "stand-in.made-from"


class NoImagesError(Exception):
    """The registry does not answer, and stand-ins cannot be made here."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """What is used for each image.

    Attributes:
        python: The base of our own image; empty for the one that the Dockerfile names.
        services: Replaced images, by service.
        said: One line for each image: what it is or what stands in for it.
    """

    python: str = ""
    services: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()


def images(engine: Engine, cache: Path, named: Mapping[str, str], python: str) -> Images:
    """Have all images in the engine.

    Args:
        named: The images of the compose files, by service.
        python: The base image that the Dockerfile names.

    Raises:
        NoImagesError: They cannot be had.
    """
    foreign = {service: named[service] for service in TARGETS if service in named}
    if _pulled(engine, python, within=ASK_SECONDS):
        for image in sorted(set(foreign.values())):
            if not _pulled(engine, image, within=PULL_SECONDS):
                raise NoImagesError(f"The registry answers, but does not give {image}.")
        return Images(said=tuple(f"{image}: from its registry" for image in foreign.values()))
    say("No registry answers: stand-ins from Debian's packages take the place of the images.")
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        raise NoImagesError("No registry answers, and stand-ins need root and mmdebstrap.")
    base = _python(engine, cache)
    built = {target: _server(engine, cache, target, base) for target in set(TARGETS.values())}
    services = {service: built[TARGETS[service]] for service in foreign}
    said = [
        f"{image}: stand-in, {_version(engine, target)}"
        for service, image in foreign.items()
        if service != "backup"
        for target in [TARGETS[service]]
    ]
    said.append(f"{python}: stand-in, Python {sys.version.split()[0]} of this machine")
    return Images(python=base, services=services, said=tuple(said))


def _pulled(engine: Engine, image: str, *, within: float) -> bool:
    try:
        engine.docker("pull", "--quiet", image, within=within)
    except CommandError:
        return False
    return True


def _version(engine: Engine, target: str) -> str:
    ask = {
        "postgres": ("postgres", "--version"),
        "rabbitmq": ("dpkg-query", "-W", "-f", "RabbitMQ ${Version}", "rabbitmq-server"),
        "redis": ("redis-server", "--version"),
        "prometheus": ("dpkg-query", "-W", "-f", "Prometheus ${Version}", "prometheus"),
        "caddy": ("dpkg-query", "-W", "-f", "Caddy ${Version}", "caddy"),
    }
    if target not in ask:
        return "a small program in Python"
    words = ask[target]
    said = engine.docker(
        *("run", "--rm", "--network", "none", "--entrypoint", words[0], _tag(target)),
        *words[1:],
        within=60,
    )
    return " ".join(said.split()[:4])


def _tag(target: str) -> str:
    return f"notifications-stand-in/{target}:1"


def _server(engine: Engine, cache: Path, target: str, python: str) -> str:
    if target == "mailpit":
        return _built(engine, cache, target, "mailpit.dockerfile", {"PYTHON": python})
    _tree(cache / "servers.tar", SERVERS_RELEASE, SERVERS_PACKAGES)
    return _built(engine, cache, target, "servers.dockerfile", {}, "--target", target)


def _python(engine: Engine, cache: Path) -> str:
    _tree(cache / "bookworm.tar", PYTHON_RELEASE, PYTHON_PACKAGES)
    own = cache / "python.tar"
    if not own.exists():
        say("Packing the Python of this machine …")
        with tarfile.open(f"{own}.part", "w") as packed:
            for name in ("bin", "lib", "include"):
                packed.add(Path(sys.base_prefix) / name, name, filter=_of_python)
        Path(f"{own}.part").rename(own)
    shutil.copy2(CERTIFICATES, cache / "certificates.crt")
    return _built(engine, cache, "python", "python.dockerfile", {})


def _of_python(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = member.name.split("/")
    if "__pycache__" in parts:
        return None
    # pip itself stays; other packages of the machine have nothing to do in the image.
    if "site-packages" in parts[:-1]:
        below = parts[parts.index("site-packages") + 1]
        if not below.startswith(("pip", "setuptools")):
            return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _tree(place: Path, release: str, packages: str) -> None:
    """Make a file tree from packages, unless it was made from the same."""
    made_from = place.with_suffix(".packages")
    wanted = f"{release} {packages}"
    if place.exists() and made_from.exists() and made_from.read_text() == wanted:
        return
    say(f"Making {place.name} from packages of Debian {release} …")
    part = place.with_name(f"part-{place.name}")
    words = ("--variant=minbase", f"--include={packages}", "--aptopt=APT::Sandbox::User root")
    run("mmdebstrap", *words, release, part, archive(), within=TREE_SECONDS)
    part.rename(place)
    made_from.write_text(wanted)


def _built(
    engine: Engine,
    cache: Path,
    target: str,
    dockerfile: str,
    arguments: Mapping[str, str],
    *words: str,
) -> str:
    """Build a stand-in unless it was built from the same files."""
    made_from = hashlib.sha256(f"{SERVERS_PACKAGES} {PYTHON_PACKAGES}".encode())
    for path in sorted(STAND_INS.iterdir()):
        made_from.update(path.read_bytes())
        shutil.copy2(path, cache)
    tag = _tag(target)
    try:
        label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
        found = engine.docker("image", "inspect", "--format", label, tag, within=20).strip()
    except CommandError:
        found = ""
    if found == made_from.hexdigest():
        return tag
    say(f"Building the stand-in {target} …")
    (cache / ".dockerignore").write_text("engine\nconfig\napt\npip\n*.dir\n*.log\n")
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    engine.docker(
        *("build", "--quiet", "--network", "host", "--tag", tag),
        *("--label", f"{LABEL}={made_from.hexdigest()}"),
        *given,
        *words,
        *("--file", str(cache / dockerfile), str(cache)),
        within=BUILD_SECONDS,
    )
    return tag


def named_images(*files: Path) -> dict[str, str]:
    """Return the images that compose files name, by service."""
    found: dict[str, str] = {}
    for file in files:
        services = yaml.load(file.read_text(), Loader=ComposeLoader)["services"]  # noqa: S506 - a safe one.
        found.update({name: one["image"] for name, one in services.items() if "image" in one})
    return found
