"""An earlier release is replaced under load, while old and new processes run side by side."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from apps.common.channels import Channel
from tests.chaos import bulk
from tests.chaos.environment import Environment
from tests.chaos.faults.registry import fault
from tests.chaos.load import REFUSED
from tests.chaos.stack import Stack
from tests.chaos.worktree import BEFORE, worktree

BULK = 1000


@contextmanager
def _before(environment: Environment) -> Iterator[None]:
    """Let the earlier release handle the load, on a database of its own."""
    with worktree(BEFORE, environment.folder / "before") as root, environment.elsewhere(root):
        yield


@fault(
    says=f"an upgrade from commit {BEFORE}: old and new processes side by side, then only new ones",
    seconds=20,
    errors=frozenset({REFUSED}),
    # The earlier release has no statistics.
    counted=False,
    # It has no webhooks either.
    told=False,
    prepare=_before,
)
def upgrade(environment: Environment, seconds: float) -> None:
    """Migrate, start this release beside the old one, redirect the callers, stop the old one."""
    old = environment.stack
    new = Stack(environment.folder, old.settings, name="after")
    for channel in Channel:
        bulk.request_many(environment, channel, BULK)
    # Its start runs the migrations first.
    environment.afterwards.enter_context(new)
    time.sleep(seconds / 2)
    for channel in Channel:
        bulk.request_many(environment, channel, BULK)
    environment.stack, environment.api = new, replace(environment.api, base=new.base)
    for program in old.programs():
        old.stop(program)
    time.sleep(seconds / 2)
