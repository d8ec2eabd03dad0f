"""An earlier release is replaced under load, while old and new processes run side by side."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from apps.notifications.broker.topology import Channel
from tests.chaos import bulk
from tests.chaos.faults.registry import fault
from tests.chaos.load import REFUSED
from tests.chaos.scene import Scene
from tests.chaos.stack import PROGRAMS, Stack
from tests.chaos.worktree import BEFORE, worktree

BULK = 1000


@contextmanager
def _before(scene: Scene) -> Iterator[None]:
    """Let the earlier release handle the load, on a database of its own."""
    with worktree(BEFORE, scene.folder / "before") as root, scene.elsewhere(root):
        yield


@fault(
    says=f"an upgrade from commit {BEFORE}: old and new processes side by side, then only new ones",
    seconds=20,
    errors=frozenset({REFUSED}),
    prepare=_before,
)
def upgrade(scene: Scene, seconds: float) -> None:
    """Migrate, start this release beside the old one, redirect the callers, stop the old one."""
    old = scene.stack
    new = Stack(scene.folder, old.settings, name="after")
    for channel in Channel:
        bulk.many(scene, channel, BULK)
    # Its start runs the migrations first.
    scene.afterwards.enter_context(new)
    time.sleep(seconds / 2)
    for channel in Channel:
        bulk.many(scene, channel, BULK)
    scene.stack, scene.api = new, replace(scene.api, base=new.base)
    for program in PROGRAMS:
        old.stop(program)
    time.sleep(seconds / 2)
