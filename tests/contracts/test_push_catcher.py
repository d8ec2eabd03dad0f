"""The push catcher of docker-compose.yml accepts what the FCM provider sends, and shows it."""

import importlib.util
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_django.fixtures import Settings

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.fcm.provider import FcmProvider
from tests.containers.pages import fetch
from tests.fakes import fcm_server
from tests.fakes.messages import a_push
from tests.journeys.http import Api

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Catcher:
    url: str
    program: ModuleType

    def messages(self) -> Any:
        return json.loads(fetch(f"{self.url}/api/messages"))

    def page(self) -> str:
        return fetch(self.url)


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[Catcher]:
    spec = importlib.util.spec_from_file_location("push_catcher", ROOT / "docker/push_catcher.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    program.PUBLIC_KEY = tmp_path / "public.pem"  # type: ignore[attr-defined] # A module of a file.
    server = ThreadingHTTPServer(("127.0.0.1", 0), program.Catcher)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Catcher(url=f"http://127.0.0.1:{server.server_port}", program=program)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def provider(catcher: Catcher, settings: Settings, tmp_path: Path) -> Iterator[FcmProvider]:
    key = fcm_server.private_key()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "public.pem").write_bytes(public)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "push-catcher",
        "private_key_id": "push-catcher",
        "private_key": private.decode(),
        "client_email": "notifications@push-catcher.local",
        "client_id": "1",
        "token_uri": f"{catcher.url}/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    settings.FCM_SERVICE_ACCOUNT_FILE = str(tmp_path / "account.json")
    settings.FCM_API_URL = catcher.url
    made = FcmProvider()
    yield made
    made.close()


def test_a_push_message_is_accepted_and_shown(catcher: Catcher, provider: FcmProvider) -> None:
    reply = provider.send(a_push(title="<b>Good news</b>"))

    assert reply.outcome is Outcome.ACCEPTED
    taken = catcher.messages()
    assert taken["total"] == 1
    assert taken["messages"][0]["notification"]["title"] == "<b>Good news</b>"
    assert "&lt;b&gt;Good news" in catcher.page()


def test_an_assertion_of_another_key_gets_no_token(
    catcher: Catcher, provider: FcmProvider, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    public = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "public.pem").write_bytes(public)

    reply = provider.send(a_push())

    assert reply.outcome is not Outcome.ACCEPTED
    assert catcher.messages()["total"] == 0


def test_a_call_without_a_token_is_refused(catcher: Catcher) -> None:
    answer = Api(base=catcher.url, key="none").call(
        "POST", catcher.program.SEND, {"message": {"token": "x"}}
    )
    assert answer.status == 401
    assert catcher.messages()["total"] == 0
