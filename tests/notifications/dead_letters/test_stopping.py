"""The recorder stops when it is asked to, also while the broker is away."""

from pathlib import Path

from tests import services
from tests.journeys.http import until
from tests.journeys.processes import BIN, Process


def test_the_recorder_stops_while_the_broker_is_away(tmp_path: Path) -> None:
    recorder = Process(
        f"{BIN}/python",
        "manage.py",
        "record_dead_letters",
        log=tmp_path / "log",
        env={
            "ENV_FILE": "/dev/null",
            "SECRET_KEY": services.SECRET_KEY,
            "ALLOWED_HOSTS": "localhost",
            "DATABASE_URL": f"sqlite:///{tmp_path}/database",
            "BROKER_URL": "amqp://127.0.0.1:1//",
        },
    )
    try:
        waits = "recorder waits for the broker"
        until(lambda: waits in recorder.log.read_text(), within=30, what="the recorder to wait")
        assert recorder.stop(within=20) == 0
    finally:
        recorder.kill()
