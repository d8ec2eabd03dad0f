"""What a process imports at its start: what it needs and what has to be checked, and no more."""

import subprocess
import sys
from collections.abc import Mapping

from tests.journeys.processes import ROOT, bare_environment

WITHOUT_SERVER = {"ENV_FILE": "/dev/null", "SECRET_KEY": "start-" + "0" * 50}
BROKEN = {"EMAIL_PROVIDERS": "smtp"}
# The pages of the admin, all URLs, the REST framework's views, the templates' language, and the
# consumer of workers.
OF_OTHERS = {
    "apps.users.admin",
    "notifications_project.urls",
    "rest_framework.views",
    "liquid",
    "celery.worker.consumer",
}
PAGES = {
    "apps.notifications.embedded.sandbox_pages",
    "apps.users.admin",
    "notifications_project.urls",
}
# The forms of the API, and what only an installation with Redis needs.
NOT_OF_THE_DOCTOR = OF_OTHERS | PAGES | {"rest_framework.serializers", "redis"}
# Prints the names of all imported modules when the process ends.
REPORT = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
SETUP = "import django; django.setup(); "


def run(program: str, *, settings: Mapping[str, str] = WITHOUT_SERVER) -> tuple[str, str, set[str]]:
    """Run a program; return what it printed, its errors, and the modules that it imported."""
    ended = subprocess.run(  # noqa: S603 - a program of this project.
        [sys.executable, "-c", REPORT + program],
        cwd=ROOT,
        env={
            **bare_environment(),
            **settings,
            "DJANGO_SETTINGS_MODULE": "notifications_project.settings",
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    errors, _, modules = ended.stderr.rstrip().rpartition("\n")
    return ended.stdout, errors, set(modules.split())


def manage(*words: str, settings: Mapping[str, str] = WITHOUT_SERVER) -> tuple[str, str, set[str]]:
    """Run ``manage.py`` with the words."""
    program = f"import runpy; sys.argv = {['manage.py', *words]}; "
    return run(program + "runpy.run_path('manage.py', run_name='__main__')", settings=settings)


def test_help_needs_neither_settings_nor_models() -> None:
    printed, _, loaded = manage("notify", "--help", settings={"DATABASE_URL": "nonsense://"})

    assert "create-api-key" in printed
    assert "notifications_project.settings" not in loaded
    assert "apps.notifications.models" not in loaded


def test_help_of_a_subcommand_is_printed_too() -> None:
    printed, _, loaded = manage("notify", "dead-letters", "replay", "-h")

    assert "--may-have-arrived" in printed
    assert "apps.notifications.models" not in loaded


def test_the_doctor_loads_only_what_it_checks() -> None:
    printed, _, loaded = manage("notify", "doctor")

    assert "providers" in printed
    assert "apps.notifications.models" in loaded
    assert loaded & NOT_OF_THE_DOCTOR == set()


def test_a_provider_without_its_settings_still_stops_a_command() -> None:
    printed, errors, _ = manage("notify", "doctor", settings=WITHOUT_SERVER | BROKEN)

    assert printed == ""
    assert "notifications.E001" in errors


def test_the_scheduler_and_the_recorder_load_no_pages() -> None:
    commands = "apps.notifications.management.commands"
    imports = f"import {commands}.run_scheduler, {commands}.record_dead_letters"
    _, _, loaded = run(SETUP + imports)

    assert "apps.notifications.scheduler.sweep" in loaded
    assert loaded & PAGES == set()


def test_a_worker_has_the_changes_to_its_library_before_its_children_start() -> None:
    start = "from notifications_project import app; app.loader.import_default_modules()"
    _, _, loaded = run(start)

    assert "notifications_project.celery_worker" in loaded
    assert loaded & PAGES == set()


def test_the_pages_of_the_admin_are_checked_although_they_are_imported_late() -> None:
    checked = (
        "from django.core.checks import run_checks; from django.contrib import admin; "
        "run_checks(tags=['admin']); print(*(m.__name__ for m in admin.site._registry))"
    )
    printed, _, loaded = run(SETUP + checked)

    assert {"RetentionRule", "Template", "User", "Group"} <= set(printed.split())
    assert "TOTPDevice" not in printed.split()
    assert "apps.users.admin" in loaded
