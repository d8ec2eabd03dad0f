"""Phase: from the release of an earlier commit to this one, with its volumes and under load."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos.worktree import BEFORE
from tests.containers.checkouts import copy_of_commit
from tests.containers.keys import create_key
from tests.containers.load import account, under_load
from tests.containers.project import Project
from tests.containers.run import COMPOSE, IMAGE, Run
from tests.containers.shell import CommandError, say
from tests.journeys.http import Api

PHASE = "upgrade"
NEW_IMAGE = "notifications:under-test"
BEFORE_SECONDS = 10
AFTER_SECONDS = 10
# An installation of that time: secrets in .env, and a mail server of the operator.
OLD_ENV = """\
SECRET_KEY=an-old-secret-key-with-fifty-characters-1234567890abcd
POSTGRES_PASSWORD=OldPostgres4711
RABBITMQ_PASSWORD=OldRabbit4711
FLOWER_BASIC_AUTH=ada:OldFlower4711
EMAIL_PROVIDERS=smtp
SMTP_HOST={mail_server}
SMTP_PORT=1025
SMTP_TLS=none
PUSH_PROVIDERS=sandbox
"""


def upgrade(run: Run) -> None:
    """Install the earlier release, send, upgrade while requests go on, and count what arrived."""
    old = copy_of_commit(BEFORE, run.folder / "before")
    run.engine.docker("tag", IMAGE, NEW_IMAGE, within=30)
    dockerfile = old / "docker/Dockerfile"
    if run.images.python:
        # Its first line makes the build ask the registry, which does not answer.
        dockerfile.write_text(dockerfile.read_text().partition("\n")[2])
    run.build(old)
    try:
        with run.project(old) as project:
            _upgrade(run, project, old)
    finally:
        run.engine.docker("tag", NEW_IMAGE, IMAGE, within=30)


def _upgrade(run: Run, project: Project, old: Path) -> None:
    mail_server = f"{project.name}-mail-server"
    (old / ".env").write_text(OLD_ENV.format(mail_server=mail_server))
    project.compose("up", "--no-start", "--no-build", within=120)
    with _mail_server(run, project, mail_server):
        run.summary.add(PHASE, f"up of {BEFORE}", f"{project.up():.0f} s")
        api = Api(base=project.url(), key=create_key(project))
        with under_load(project, api, "upgrade") as load:
            time.sleep(BEFORE_SECONDS)
            say("  upgrading")
            _become_new(run, project, old)
            run.summary.add(PHASE, "up of this release", f"{project.up():.0f} s")
            time.sleep(AFTER_SECONDS)
        project.mail_port = _port_of(run, mail_server)
        run.summary.add(PHASE, "under load", account(project, api, load, pushed=False))
        # An installation in use gets no account whose password is in a log.
        assert "There is no demo: there are other users" in project.logs("setup")
        said = project.exec("web", "python", "manage.py", "notify", "doctor").splitlines()
        assert all(line.startswith("ok ") for line in said), said
        run.summary.add(PHASE, "doctor", f"{len(said)} rows ok, volumes and passwords kept")


def _become_new(run: Run, project: Project, old: Path) -> None:
    """Put this release in the place of the earlier one, with the same ``.env``."""
    new = run.folder / "after"
    shutil.copytree(run.checkout, new)
    shutil.copy2(old / ".env", new)
    project.folder = new
    project.files = [COMPOSE]
    project.replace_images(run.images.services)
    run.engine.docker("tag", NEW_IMAGE, IMAGE, within=30)


@contextmanager
def _mail_server(run: Run, project: Project, name: str) -> Iterator[None]:
    """A mail server outside of the project, so that the upgrade does not replace it."""
    image = run.images.services.get("mailpit") or run.named["mailpit"]
    network = f"{project.name}_default"
    run.engine.docker(
        *("run", "--detach", "--name", name, "--network", network),
        *("--publish", "127.0.0.1::8025", "--env", "MP_MAX_MESSAGES=5000", image),
        within=60,
    )
    try:
        yield
    finally:
        with suppress(CommandError):
            run.engine.docker("rm", "--force", "--volumes", name, within=60)


def _port_of(run: Run, name: str) -> str:
    return run.engine.docker("port", name, "8025/tcp", within=30).strip().rpartition(":")[2]
