# ruff: noqa: INP001 - a script of the image, not a module of the project.
"""Write the secrets of docker-compose.yml: the given ones, the ones kept, else new ones.

Each reader has a folder (a volume) of its own, and sees the secrets of no other. The volumes belong
to the engine, so that only root of the host reads them; in a container every user may, because the
servers run under different numbers. A secret is given by its variable (``POSTGRES_PASSWORD``), or
by a file of its name in small letters in ``/run/secrets``. What was made once stays as it is.
"""

import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ROOT = Path(os.environ.get("SECRETS_ROOT", "/secrets"))
GIVEN = Path(os.environ.get("SECRETS_GIVEN", "/run/secrets"))
APP, POSTGRESQL, RABBITMQ = ROOT / "app", ROOT / "postgresql", ROOT / "rabbitmq"
REDIS, PROMETHEUS, PUSH_CATCHER = ROOT / "redis", ROOT / "prometheus", ROOT / "push-catcher"
NAME = "notifications"
PUSH_CATCHER_URL = "http://push-catcher:8027"


def main() -> None:
    """Write what is missing or was given anew."""
    postgresql = secret("POSTGRES_PASSWORD", POSTGRESQL / "password")
    rabbitmq = secret("RABBITMQ_PASSWORD", RABBITMQ / "password")
    redis = secret("REDIS_PASSWORD", REDIS / "password")
    secret("SECRET_KEY", APP / "secret_key")
    secret("FLOWER_BASIC_AUTH", APP / "flower_basic_auth", make=lambda: f"{NAME}:{token()}")
    keep(PROMETHEUS / "metrics_token", secret("METRICS_TOKEN", APP / "metrics_token"))

    keep(APP / "database_url", f"postgres://{NAME}:{quoted(postgresql)}@postgresql:5432/{NAME}")
    keep(APP / "broker_url", f"amqp://{NAME}:{quoted(rabbitmq)}@rabbitmq:5672//")
    keep(APP / "redis_url", f"redis://:{quoted(redis)}@redis:6379/0")
    keep(APP / "flower_broker_api", f"http://{NAME}:{quoted(rabbitmq)}@rabbitmq:15672/api/")

    # Read by the servers themselves. In RabbitMQ's simpler format a password with a colon would be
    # taken for an encrypted one.
    user = f'{{default_user, <<"{NAME}">>}}'
    login = f'{{default_pass, <<"{escaped(rabbitmq)}"/utf8>>}}'
    keep(RABBITMQ / "advanced.config", f"[{{rabbit, [{user}, {login}]}}].\n")
    keep(REDIS / "redis.conf", f'requirepass "{escaped(redis)}"\n')
    service_account()


def secret(variable: str, file: Path, make: Callable[[], str] | None = None) -> str:
    """Return the given secret, else the one kept, else a new one; and keep it.

    A given secret has priority, so an installation with a ``.env`` from before goes on with it.
    """
    given = os.environ.get(variable) or read(GIVEN / variable.lower())
    value = given or read(file) or (make or token)()
    keep(file, value)
    return value


def token() -> str:
    """Return a new secret of letters, digits, - and _."""
    return secrets.token_urlsafe(48)


def quoted(password: str) -> str:
    """Return a password as it is written in an address."""
    return quote(password, safe="")


def escaped(password: str) -> str:
    """Return a password as it is written between quotation marks."""
    return password.replace("\\", "\\\\").replace('"', '\\"')


def read(file: Path) -> str:
    """Return the content of a file; empty if there is none."""
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


def keep(file: Path, content: str) -> None:
    """Write a file if its content changes. It is replaced as a whole."""
    if read(file) == content.strip():
        return
    beside = file.with_name(f".{file.name}")
    beside.write_text(content, encoding="utf-8")
    beside.chmod(0o444)
    beside.replace(file)
    sys.stdout.write(f"wrote {file}\n")


def service_account() -> None:
    """Make the service account that the push catcher knows, once."""
    account = APP / "push_catcher.json"
    if account.exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    keep(PUSH_CATCHER / "public.pem", public.decode())
    content = {
        "type": "service_account",
        "project_id": "push-catcher",
        "private_key_id": "push-catcher",
        "private_key": private.decode(),
        "client_email": "notifications@push-catcher.local",
        "client_id": "1",
        "token_uri": f"{PUSH_CATCHER_URL}/token",
    }
    keep(account, json.dumps(content))


if __name__ == "__main__":
    os.umask(0o022)
    main()
