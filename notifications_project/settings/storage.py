"""The database and the cache; every wait has a timeout."""

import os
from typing import Any

from notifications_project.settings import environment, server_addresses
from notifications_project.settings.core import VAR_DIR, kept_files

DATABASE_CONNECT_TIMEOUT_SECONDS = 5
DATABASE_STATEMENT_TIMEOUT_MS = 15_000
# A dead server is detected after this time, even while a statement waits for its result.
DATABASE_TCP_USER_TIMEOUT_MS = 20_000
SQLITE_BUSY_TIMEOUT_SECONDS = 20
REDIS_TIMEOUT_SECONDS = 0.5


def _database() -> dict[str, Any]:
    url = environment.DATABASE_URL or f"sqlite:///{VAR_DIR / 'db.sqlite3'}"
    config: dict[str, Any] = server_addresses.database_config(url)
    # Connections are persistent; a check before the first use in a request or task replaces broken
    # ones.
    config["CONN_MAX_AGE"] = None
    config["CONN_HEALTH_CHECKS"] = True
    options = config.setdefault("OPTIONS", {})
    if config["ENGINE"] == "django.db.backends.sqlite3":
        # An in-memory database has one connection, but the tests need several writers. The process
        # id in the name separates concurrent test runs.
        config["TEST"] = {"NAME": str(VAR_DIR / f"test-{os.getpid()}.sqlite3")}
        # Immediate transactions take the write lock at the start, so that two writers wait for
        # each other instead of failing when both try to upgrade a read lock.
        options.update(
            transaction_mode="IMMEDIATE",
            timeout=SQLITE_BUSY_TIMEOUT_SECONDS,
            init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        )
    else:
        config["ENGINE"] = "apps.common.postgresql"
        options.update(
            connect_timeout=DATABASE_CONNECT_TIMEOUT_SECONDS,
            tcp_user_timeout=DATABASE_TCP_USER_TIMEOUT_MS,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            # With this time zone Django sends no statement to set it in every new connection.
            options=f"-c statement_timeout={DATABASE_STATEMENT_TIMEOUT_MS} -c TimeZone=UTC",
            application_name="notifications",
        )
    return config


REDIS_URL = environment.REDIS_URL

DATABASES = {"default": _database()}
if not environment.DATABASE_URL:
    with kept_files():
        VAR_DIR.mkdir(mode=0o700, exist_ok=True)

if environment.REDIS_URL:
    CACHES: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": environment.REDIS_URL,
            "KEY_PREFIX": "notifications",
            "OPTIONS": {
                "SOCKET_CONNECT_TIMEOUT": REDIS_TIMEOUT_SECONDS,
                "SOCKET_TIMEOUT": REDIS_TIMEOUT_SECONDS,
            },
        }
    }
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "notifications",
            # The default of 300 entries would evict the counters of rate limits.
            "OPTIONS": {"MAX_ENTRIES": 20_000},
        }
    }
