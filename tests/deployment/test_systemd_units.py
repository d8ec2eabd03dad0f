"""The units of systemd start what docker-compose.yml starts, and may do little else."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contracts.deployment_files import ROOT
from tests.deployment.processes import SECRET, compose, compose_stop_seconds
from tests.deployment.test_platforms import EXPECTED, SECRETS, known
from tests.deployment.units import FOLDER, read_variables, units

# In `systemd-analyze security` 10 is the worst.
EXPOSURE_MOST = "15"  # As tenths.
# Each with the first words of the same program in docker/stack.conf, whose address is loopback.
OF_THE_STACK = {
    "web": "python -m notifications_project.web --host 127.0.0.1",
    "flower": "celery -A notifications_project flower --conf=docker/flower.py --max-tasks=5000 "
    "--enable_events=False --address=127.0.0.1",
}


def test_the_target_starts_every_process_of_compose() -> None:
    assert set(units()) == set(compose())


def test_every_unit_that_there_is_is_started() -> None:
    files = {file.name for file in FOLDER.glob("*.service")}

    assert {re.sub(r"@.*", "@", each.name) + ".service" for each in units().values()} == files
    workers = {file.stem for file in FOLDER.glob("workers/*.env")}
    assert workers == {each.process for each in units().values() if "worker@" in each.name}


def test_every_process_has_the_command_of_compose() -> None:
    for name, each in units().items():
        program, *words = each.command()
        if name in OF_THE_STACK:
            line = " ".join([program, *words])
            assert line.startswith(f"/srv/notifications/.venv/bin/{OF_THE_STACK[name]}"), name
        else:
            assert program == "/srv/notifications/docker/entrypoint.sh"
            assert tuple(words) == compose()[name], name


def test_the_stack_starts_web_and_flower_with_the_same_options() -> None:
    stack = configparser.ConfigParser(interpolation=None)
    stack.read(ROOT / "docker" / "stack.conf")
    for name, words in OF_THE_STACK.items():
        command = stack[f"program:{name}"]["command"].replace("%(ENV_FLOWER_ADDRESS)s", "127.0.0.1")
        assert command.removeprefix("%(ENV_BIN)s/").startswith(words)


def test_nothing_is_started_before_the_migrations() -> None:
    for name, each in units().items():
        if name not in {"setup", "flower"}:
            assert "notifications-setup.service" in each.one("Requires"), name
            assert any("notifications-setup.service" in text for text in each.options["After"])
    setup = units()["setup"]
    assert setup.one("Type") == "oneshot"
    assert setup.one("RemainAfterExit") == "yes"


def test_a_stopping_process_has_the_time_that_it_has_in_compose() -> None:
    for name, each in units().items():
        if name != "setup":
            assert int(each.one("TimeoutStopSec")) == compose_stop_seconds(name), name
            # The signal is for the parent alone, which stops its children in order.
            assert each.one("KillMode") == "mixed", name


def test_a_process_is_started_again_except_after_invalid_variables() -> None:
    for name, each in units().items():
        if name != "setup":
            assert each.one("Restart") == "always", name
            assert each.one("RestartPreventExitStatus") == "2", name


def test_the_file_of_variables_has_what_is_needed_and_no_secret() -> None:
    given = read_variables(FOLDER / "notifications.env")
    own = {name for each in units().values() for name in each.environment()}

    assert EXPECTED | {"FLOWER_BASIC_AUTH"} <= set(given)
    assert {value for name, value in given.items() if SECRETS.search(name)} == {""}
    assert set(given) <= known()
    assert own <= known() | {"PATH", "PYTHONDONTWRITEBYTECODE", "LANES", "CONCURRENCY"}
    assert SECRET not in given.values()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a root in which the units are installed as the page says."""
    place = tmp_path / "etc" / "systemd" / "system"
    place.mkdir(parents=True)
    for file in FOLDER.glob("notifications*.*"):
        if file.is_dir():
            shutil.copytree(file, place / file.name)
        elif file.suffix != ".env":
            shutil.copy(file, place)
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.fail("systemd-analyze is missing; it is in Debian's package systemd")
    return subprocess.run(  # noqa: S603 - our own arguments.
        [program, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", sorted(set(compose())))
def test_systemd_judges_a_unit_as_well_confined(name: str, installed: Path) -> None:
    judged = analyze(
        f"--root={installed}",
        "security",
        "--offline=true",
        "--no-pager",
        f"--threshold={EXPOSURE_MOST}",
        f"{units()[name].name}.service",
    )

    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "NoNewPrivileges=" in judged.stdout


def test_a_unit_without_the_drop_in_would_be_judged_badly(installed: Path) -> None:
    shutil.rmtree(installed / "etc/systemd/system/notifications-.service.d")
    judged = analyze(
        f"--root={installed}",
        "security",
        "--offline=true",
        "--no-pager",
        f"--threshold={EXPOSURE_MOST}",
        "notifications-web.service",
    )

    assert judged.returncode != 0
