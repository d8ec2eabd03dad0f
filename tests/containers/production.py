"""Phase: the override for production with TLS, secrets as files, and a backup that is restored."""

import json
import re
import time
from pathlib import Path

from tests.containers.keys import create_key
from tests.containers.pages import fetch, refused_status, trusting
from tests.containers.project import Project
from tests.containers.run import COMPOSE, PRODUCTION, Run
from tests.containers.shell import say
from tests.journeys.http import Api

PHASE = "production"
# Letters that mean something in an address; they have to be written differently there.
PASSWORD = "p@ss/w#rd:of%an+operator"
# For localhost Caddy signs the certificate itself.
AUTHORITY = "/data/caddy/pki/authorities/local/root.crt"
STOPPED_FOR_A_RESTORE = (
    *("caddy", "web", "scheduler", "dead-letter-recorder"),
    *("email", "email-urgent", "push", "push-urgent", "webhooks"),
)


def production(run: Run) -> None:
    """Follow docs/deployment/compose.md for production, then lose the database and restore it."""
    settings = {
        "PUBLIC_URL": "https://localhost",
        "ALLOWED_HOSTS": "localhost",
        "SECRETS_DIR": str(_secrets(run.folder)),
    }
    with run.project(run.checkout, files=(COMPOSE, PRODUCTION), settings=settings) as project:
        run.summary.add(PHASE, "up --wait", f"{project.up():.0f} s")
        _nothing_for_trying(run, project)
        authority = run.folder / "authority.crt"
        authority.write_text(project.exec("caddy", "cat", AUTHORITY))
        api = Api(base=project.url("HTTPS_PORT", scheme="https"), key=create_key(project))
        with trusting(authority):
            sent = _over_tls(run, project, api)
            _restore(run, project, api, sent)


def _secrets(folder: Path) -> Path:
    place = folder / "secrets"
    place.mkdir()
    (place / "postgres_password").write_text(f"{PASSWORD}\n")
    (place / "rabbitmq_password").write_text(f"{PASSWORD}\n")
    # The container reads them under another number.
    for file in (place, *place.iterdir()):
        file.chmod(0o755)
    return place


def _nothing_for_trying(run: Run, project: Project) -> None:
    services = project.containers()
    assert not {"mailpit", "push-catcher"} & set(services), sorted(services)
    printed = project.logs("setup")
    assert "There is no demo" not in printed, printed
    assert "Api-Key" not in printed, printed
    published = {
        service: ports
        for service in services
        if (ports := project.inspect(service)["HostConfig"]["PortBindings"])
    }
    outside = {
        service
        for service, ports in published.items()
        if any(one["HostIp"] != "127.0.0.1" for bound in ports.values() for one in bound)
    }
    assert outside == {"caddy"}, published
    assert "web" not in published, published
    assert PASSWORD in project.exec("postgresql", "cat", "/run/notifications/password")
    words = "no catcher, no demo, only the proxy is published, passwords from files"
    run.summary.add(PHASE, "what runs", words)


def _over_tls(run: Run, project: Project, api: Api) -> str:
    """Send a notification through the proxy, and return its id."""
    health = json.loads(fetch(f"{api.base}/health/ready"))
    assert health["status"] == "ok", health
    user = api.user("ada")
    sent = api.send("email", user, api.mail_template())
    assert api.ended(sent, within=60)["status"] == "delivered"
    plain = project.url("HTTP_PORT").replace("127.0.0.1", "localhost")
    status = refused_status(f"{plain}/health/live")
    assert status == 308, status
    # Without the token the metrics are for loopback, and the proxy is not loopback.
    assert refused_status(f"{api.base}/metrics") == 403
    run.summary.add(PHASE, "a notification over TLS", "delivered; HTTP redirects; metrics refused")
    return sent


def _restore(run: Run, project: Project, api: Api, sent: str) -> None:
    first = project.exec("backup", "/srv/backup.sh", "list").split()
    assert len(first) == 1, first
    said = project.exec("backup", "/srv/backup.sh", "now", within=120)
    size = re.search(r"\((\d+) bytes\)", said)
    assert size, said
    newest = project.exec("backup", "/srv/backup.sh", "list").split()[-1]
    say("  losing the database and restoring it")
    project.compose("stop", *STOPPED_FOR_A_RESTORE, within=150)
    lose = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
    project.exec("postgresql", "psql", "-q", "-U", "notifications", "-c", lose)
    began = time.monotonic()
    project.exec("backup", "/srv/backup.sh", "restore", Path(newest).name, within=180)
    seconds = time.monotonic() - began
    project.up(within=240)
    assert api.status(sent)["status"] == "delivered"
    after = api.send("email", api.user("bob"), api.mail_template())
    assert api.ended(after, within=60)["status"] == "delivered"
    run.summary.add(
        PHASE,
        "backup and restore",
        f"{int(size[1]) / 1e3:.0f} kB, restored in {seconds:.1f} s; old and new notifications work",
    )
