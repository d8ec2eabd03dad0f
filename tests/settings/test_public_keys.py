"""The keys that verify SendGrid's events, in the forms in which operators have them."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.sendgrid_events import EventSigner
from tests.settings.conftest import Start

SHOW = """
import json, django
django.setup()
from django.conf import settings
print(json.dumps(settings.SENDGRID_WEBHOOK_PUBLIC_KEYS))
"""
NAME = "SENDGRID_WEBHOOK_PUBLIC_KEY"


def read(start: Start, **environment: str) -> list[str]:
    result = start(SHOW, **environment)
    assert result.returncode == 0, result.stderr
    found: list[str] = json.loads(result.stdout)
    return found


def test_no_key_is_none(start: Start) -> None:
    assert read(start) == read(start, **{NAME: ""}) == []


def test_several_keys_are_separated_by_commas(start: Start) -> None:
    new, old = EventSigner(), EventSigner()
    given = f" {new.public_key} ,\n{old.public_key}"
    assert read(start, **{NAME: given}) == [new.public_key, old.public_key]


def test_a_file_may_have_keys_as_pem(start: Start, tmp_path: Path) -> None:
    new, old = EventSigner(), EventSigner()
    file = tmp_path / "keys.pem"
    file.write_text(new.pem + old.pem)
    assert read(start, **{f"{NAME}_FILE": str(file)}) == [new.public_key, old.public_key]


def pem_of(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    "pem",
    [
        pem_of(ec.generate_private_key(ec.SECP384R1()).public_key()),
        pem_of(ed25519.Ed25519PrivateKey.generate().public_key()),
    ],
    ids=["another curve", "another kind"],
)
def test_a_key_of_another_kind_stops_the_process_with_one_line(start: Start, pem: str) -> None:
    result = start(**{NAME: pem})
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert NAME in result.stderr
    assert "P-256" in result.stderr
