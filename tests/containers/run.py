"""What the phases share: the engine, the images, and a project that is taken down at the end."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

from tests.containers.checkouts import copy_of_checkout
from tests.containers.engine import Engine
from tests.containers.images import Images, images, named_images
from tests.containers.project import Project
from tests.containers.shell import CommandError, say
from tests.containers.summary import Summary

COMPOSE = "docker-compose.yml"
PRODUCTION = "compose.production.yml"
IMAGE = "notifications:1.0.0"
BUILD_SECONDS = 900
END_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(kw_only=True)
class Run:
    """One run.

    Attributes:
        folder: Holds the copies of checkouts.
        checkout: The copy of this checkout.
        named: The images that its compose files name, by service.
    """

    engine: Engine
    images: Images
    folder: Path
    checkout: Path
    named: Mapping[str, str]
    summary: Summary

    @classmethod
    @contextmanager
    def prepared(
        cls, engine: Engine, *, cache: Path, folder: Path, summary: Summary
    ) -> Iterator[Self]:
        """Have the images, and build ours from a copy of this checkout."""
        checkout = copy_of_checkout(folder / "checkout")
        files = [checkout / file for file in (COMPOSE, PRODUCTION)]
        base = python_image(checkout)
        named = named_images(*files)
        found = images(engine, cache, named, base)
        summary.said.extend(found.said)
        made = cls(
            engine=engine,
            images=found,
            folder=folder,
            checkout=checkout,
            named=named,
            summary=summary,
        )
        made.build(checkout)
        yield made

    def build(self, checkout: Path) -> None:
        """Build the image of a checkout under the name that its compose file gives it."""
        say(f"Building {IMAGE} …")
        base = self.images.python
        words = [f"--build-arg=PYTHON_IMAGE={base}"] if base else []
        # An engine of our own has no network but the host's.
        words += ["--network", "host"] if self.engine.own else []
        self.engine.docker(
            *("build", "--quiet", "--tag", IMAGE, *words),
            *("--file", checkout / "docker/Dockerfile", checkout),
            within=BUILD_SECONDS,
        )

    @contextmanager
    def project(
        self,
        checkout: Path,
        *,
        files: Sequence[str] = (COMPOSE,),
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[Project]:
        """A project that is gone after the block, with its volumes."""
        made = Project(
            self.engine,
            name=f"notifications-run-{uuid4().hex[:6]}",
            folder=checkout,
            files=files,
            settings=settings,
        )
        made.replace_images(self.images.services)
        try:
            yield made
        finally:
            say("  taking everything down")
            with _undisturbed(), suppress(CommandError):
                made.down()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let neither the limit of the phase nor a second Ctrl-C leave containers behind."""
    signal.alarm(0)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in END_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def python_image(checkout: Path) -> str:
    """Return the base image that the Dockerfile names."""
    text = (checkout / "docker/Dockerfile").read_text()
    return text.partition("ARG PYTHON_IMAGE=")[2].splitlines()[0]
