"""The operator's command line."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.notifications.broker.topology import LANES
from apps.notifications.embedded import demo
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Heartbeat, Notification
from apps.templates.models import Template, TemplateVersion
from apps.users import api_keys
from apps.users.models import ApiKey, User
from tests.notifications.broker.test_publisher import until
from tests.notifications.factories import VARIABLES, accepted
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db


def notify(*words: str) -> str:
    out = io.StringIO()
    call_command("notify", *words, stdout=out)
    return out.getvalue()


def send(user: User, *more: str) -> str:
    return notify(
        "send",
        "--type=email",
        f"--user={user.pk}",
        "--template=welcome",
        f"--variables={json.dumps(VARIABLES)}",
        *more,
    )


def test_send_accepts_as_the_api_does(alice: User) -> None:
    printed = send(alice, "--priority=9", "--request-id=r", "--language=pt")
    row = Notification.objects.get()
    assert printed == f"{row.pk}\n"
    assert (row.client, row.kind, row.request_id) == ("operator", "live", "r")
    assert (row.priority, row.status, row.variables) == (9, Status.PENDING, VARIABLES)
    assert row.correlation_id
    assert send(alice, "--priority=9", "--request-id=r", "--language=pt") == printed
    assert Notification.objects.count() == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--priority=10"], "/priority"),
        (["--variables={}"], "/variables/link"),
        (["--template=nowhere"], "/template_code"),
        (["--language=english!"], "/language"),
        (["--variables=nonsense"], "not JSON"),
        (["--variables=[]"], "JSON object"),
        (["--type=push"], "/notification_type"),
    ],
)
def test_an_invalid_send_names_the_error_and_stores_nothing(
    alice: User, words: list[str], said: str
) -> None:
    with pytest.raises(CommandError) as refused:
        send(alice, *words)
    assert said in str(refused.value)
    assert Notification.objects.count() == 0


def test_send_to_an_unknown_user_is_an_error(welcome: None) -> None:
    with pytest.raises(CommandError, match="There is no such user"):
        notify("send", "--type=email", f"--user={uuid4()}", "--template=welcome")


def test_preview_shows_what_would_be_sent(welcome: None) -> None:
    shown = json.loads(notify("preview", "welcome", '--variables={"name": "Ada", "more": 1}'))
    assert shown["content"]["subject"] == "Welcome, Ada"
    assert (shown["missing"], shown["unused"], shown["version"]) == (["link"], ["more"], 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["nowhere"], "no such template"), (["welcome", "--version=7"], "no such version")],
)
def test_a_preview_of_an_unknown_template_or_version_is_an_error(
    welcome: None, words: list[str], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        notify("preview", *words)


def test_replay_makes_a_new_notification(alice: User) -> None:
    row = accepted(alice)
    with pytest.raises(CommandError, match="pending cannot be replayed"):
        notify("replay", str(row.pk))
    Notification.objects.update(status=Status.FAILED)
    printed = notify("replay", str(row.pk))
    new = Notification.objects.get(replay_of=row.pk)
    assert printed == f"{new.pk}\n"
    assert (new.client, new.status) == ("shop", Status.PENDING)


def test_replay_of_an_unknown_notification_is_an_error(db: None) -> None:
    with pytest.raises(CommandError, match="no such notification"):
        notify("replay", str(uuid4()))


@pytest.mark.django_db(transaction=True)
def test_the_doctor_has_a_line_for_each_dependency(lanes: Lanes, settings: Any) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError, match="not as it should be"):
        call_command("notify", "doctor", stdout=out)
    lines = [line.split()[:2] for line in out.getvalue().splitlines()]
    assert lines == [
        ["ok", "database"],
        ["ok", "migrations"],
        ["ok", "cache"],
        ["ok", "broker"],
        ["degraded", "workers"],
        ["ok", "backlog"],
        ["ok", "providers"],
        ["ok", "operators"],
    ]
    assert "OPERATOR_EMAILS is not set: nobody is told by mail" in out.getvalue()
    Heartbeat.objects.create(name="w", role="worker", host="h", pid=1, queues=list(LANES))
    assert notify("doctor").count("ok ") == 8
    settings.OPERATOR_EMAILS = ["ops@example.com", "night@example.com"]
    assert "OPERATOR_EMAILS is set: 2 addresses" in notify("doctor")


def test_create_api_key_prints_the_key_alone_on_its_last_line(shop: APIClient) -> None:
    printed = notify("create-api-key", "--name=desk")
    key = printed.splitlines()[-1]
    caller = api_keys.verify(key)
    assert caller is not None
    assert (caller.client, caller.kind, caller.scopes) == ("desk", Kind.LIVE, frozenset(Scope))
    assert not ApiKey.objects.filter(secret_hash__contains=key).exists()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    assert client.get("/api/v1/notifications/").status_code == 200


def test_create_api_key_takes_client_kind_and_scopes(db: None) -> None:
    key = notify(
        "create-api-key",
        "--name=desk",
        "--client=shop",
        "--kind=test",
        "--scope=notifications:send",
        "--scope=users:read",
    ).splitlines()[-1]
    caller = api_keys.verify(key)
    assert caller is not None
    assert (caller.client, caller.kind) == ("shop", Kind.TEST)
    assert caller.scopes == {Scope.NOTIFICATIONS_SEND, Scope.USERS_READ}


@pytest.mark.parametrize(
    "words",
    [
        ["--name="],
        ["--name=x", "--scope=everything"],
        ["--name=x", "--client=staff:1"],
        ["--name=system"],
    ],
)
def test_invalid_arguments_of_create_api_key_are_refused_with_a_reason(
    db: None, words: list[str]
) -> None:
    with pytest.raises(CommandError):
        notify("create-api-key", *words)
    assert ApiKey.objects.count() == 0


def test_the_demo_data_is_created_once(db: None, settings: Any, tmp_path: Path) -> None:
    settings.DEMO_ENV_FILE = tmp_path / "demo.env"

    def counts() -> list[int]:
        return [model.objects.count() for model in (User, Template, TemplateVersion, ApiKey)]

    first = notify("seed-demo")
    kept = settings.DEMO_ENV_FILE.read_text()
    made = counts()
    assert made[0] == 2
    assert made[1] == 3
    assert made[3] == 1
    assert notify("seed-demo") == first
    assert settings.DEMO_ENV_FILE.read_text() == kept
    assert counts() == made
    assert kept.count("\n") == 2
    assert "DEMO_API_KEY" not in first
    assert api_keys.verify(dict(line.split("=", 1) for line in kept.split())["DEMO_API_KEY"])


@pytest.fixture
def unwritable(settings: Any, tmp_path: Path) -> None:
    # Below a file no file can be made, whoever asks.
    (tmp_path / "taken").write_text("")
    settings.DEMO_ENV_FILE = tmp_path / "taken" / "demo.env"


def test_the_secrets_of_the_demo_are_printed_where_no_file_can_keep_them(
    db: None, unwritable: None
) -> None:
    printed = notify("seed-demo").splitlines()
    assert api_keys.verify(printed[-1]) is not None
    address, _, password = printed[-2].removeprefix("staff ").partition(" / ")
    assert User.objects.get(email=address).check_password(password)


def test_a_demo_that_has_to_keep_its_secrets_creates_nothing_without_them(
    db: None, unwritable: None
) -> None:
    with pytest.raises(OSError, match="taken"):
        demo.seed()
    assert (User.objects.count(), ApiKey.objects.count(), Template.objects.count()) == (0, 0, 0)


def local(settings: Any, tmp_path: Path) -> None:
    settings.DEMO_ENV_FILE = tmp_path / "demo.env"
    settings.PUBLIC_URL = "http://localhost:8000"
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "web"]


def test_the_first_steps_print_a_key_that_works_and_the_same_one_again(
    db: None, settings: Any, tmp_path: Path
) -> None:
    local(settings, tmp_path)
    printed = notify("seed-demo", "--first-steps")
    call = printed[printed.index("curl -sS") :]
    key = call.partition("Authorization: Api-Key ")[2].partition("'")[0]
    assert api_keys.verify(key) is not None
    assert call.startswith("curl -sS http://localhost:8000/api/v1/notifications/")
    assert call in notify("seed-demo", "--first-steps")


@pytest.mark.parametrize(
    "outside",
    [{"PUBLIC_URL": "https://notify.example.com"}, {"ALLOWED_HOSTS": ["10.0.0.5"]}],
)
def test_an_installation_on_a_network_gets_no_demo(
    db: None, settings: Any, tmp_path: Path, outside: dict[str, Any]
) -> None:
    local(settings, tmp_path)
    for name, value in outside.items():
        setattr(settings, name, value)
    assert "no demo" in notify("seed-demo", "--first-steps")
    assert (User.objects.count(), ApiKey.objects.count()) == (0, 0)


def test_an_installation_with_users_of_its_own_gets_no_demo(
    db: None, alice: User, settings: Any, tmp_path: Path
) -> None:
    local(settings, tmp_path)
    assert "no demo: there are other users" in notify("seed-demo", "--first-steps")
    assert list(User.objects.all()) == [alice]


def test_exported_templates_can_be_imported_unchanged(welcome: None, tmp_path: Path) -> None:
    notify("export-templates", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parcel", "welcome"]
    printed = notify("import-templates", str(tmp_path))
    assert printed.splitlines() == ["parcel en v1 unchanged", "welcome en v1 unchanged"]
    (tmp_path / "welcome" / "en" / "subject.liquid").write_text("Hello, {{ name }}")
    assert "welcome en v2 updated" in notify("import-templates", str(tmp_path))


def test_a_broken_folder_is_refused_with_the_name_of_the_file(db: None, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "template.json").write_text("{")
    with pytest.raises(CommandError, match=r"template\.json"):
        notify("import-templates", str(tmp_path))
    assert Template.objects.count() == 0


@pytest.mark.embedded
@pytest.mark.parametrize("command", ["declare_queues", "record_dead_letters"])
def test_commands_that_need_a_broker_say_so(command: str) -> None:
    with pytest.raises(CommandError, match="BROKER_URL"):
        call_command(command)


@pytest.mark.services
def test_queues_may_be_declared_repeatedly(lanes: Lanes) -> None:
    for _ in range(2):
        call_command("declare_queues")
    until(lambda: lanes.depth("failed") == 0)
