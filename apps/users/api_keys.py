"""API keys: create, rotate and verify them. Most requests are verified without a query."""

import hashlib
import re
import secrets
import string
from collections.abc import Iterable
from datetime import datetime, timedelta
from hmac import compare_digest
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.common.callers import SYSTEM_CLIENT, Caller, Kind, Scope
from apps.common.ttl_cache import TtlCache
from apps.users.models import ApiKey
from apps.users.models.api_key import NAME_MAX_LENGTH
from apps.users.models.external_id import CLIENT_MAX_LENGTH

PREFIX_ALPHABET = string.ascii_lowercase + string.digits
SECRET_ALPHABET = string.ascii_letters + string.digits
PREFIX_LENGTH = 8
SECRET_LENGTH = 43  # From 62 characters: 256 bits, which cannot be guessed.
KEY = re.compile(r"(nk_(?:live|test)_[a-z0-9]{8})_[A-Za-z0-9]{43}", re.ASCII)

# TTL of the cache of keys: a key that another process has revoked is refused after this time.
CACHE_SECONDS = 5.0
LAST_USED_INTERVAL = timedelta(minutes=1)
# After a rotation the old key is valid for this long, so that all client processes can switch.
ROTATION_OVERLAP = timedelta(days=1)
STAFF_CLIENT_PREFIX = "staff:"

_recent: TtlCache[str, tuple[ApiKey, Caller]] = TtlCache(seconds=CACHE_SECONDS, size=10_000)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def create(
    *,
    name: str,
    client: str | None = None,
    kind: Kind = Kind.LIVE,
    scopes: Iterable[Scope] | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a key and return it with its plain text, which is not stored.

    Args:
        name: The display name of the key.
        client: The client application that owns the key; by default the key's name.
        kind: Live or test.
        scopes: The permissions of the key; by default all.
        expires_at: The key is refused from this time on; None: never.

    Raises:
        ValueError: The name or client is empty or too long, the client is reserved, or there is no
            scope.
    """
    client = (client or name).strip()
    reserved = reservation_of(client)
    if reserved is not None:
        raise ValueError(reserved)
    return _made(name=name, client=client, kind=kind, scopes=scopes, expires_at=expires_at)


def reservation_of(client: str) -> str | None:
    """Return a sentence that says why a client name is reserved; None if it is not reserved."""
    if client.startswith(STAFF_CLIENT_PREFIX):
        return f"Names beginning with {STAFF_CLIENT_PREFIX!r} belong to members of staff."
    if client.casefold() == SYSTEM_CLIENT:
        return f"The name {SYSTEM_CLIENT!r} belongs to the system itself."
    return None


def _made(
    *,
    name: str,
    client: str,
    kind: Kind,
    scopes: Iterable[Scope] | None,
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX_LENGTH:
        message = f"The name of a key has 1 to {NAME_MAX_LENGTH} characters."
        raise ValueError(message)
    if not 1 <= len(client) <= CLIENT_MAX_LENGTH or not client.isprintable():
        message = f"The name of a client has 1 to {CLIENT_MAX_LENGTH} printable characters."
        raise ValueError(message)
    allowed = sorted({Scope(scope) for scope in (Scope if scopes is None else scopes)})
    if not allowed:
        raise ValueError("A key needs at least one scope.")
    start = "".join(secrets.choice(PREFIX_ALPHABET) for _ in range(PREFIX_LENGTH))
    prefix = f"nk_{Kind(kind).value}_{start}"
    plain = f"{prefix}_{''.join(secrets.choice(SECRET_ALPHABET) for _ in range(SECRET_LENGTH))}"
    api_key = ApiKey.objects.create(
        name=name,
        client=client,
        kind=Kind(kind).value,
        prefix=prefix,
        secret_hash=_hash(plain),
        scopes=[scope.value for scope in allowed],
        expires_at=expires_at,
    )
    return api_key, plain


def rotate(*, key_id: UUID, overlap: timedelta = ROTATION_OVERLAP) -> tuple[ApiKey, str]:
    """Create a successor for the same client; the old key expires after the overlap.

    Raises:
        ApiKey.DoesNotExist: There is no such key.
    """
    with transaction.atomic():
        old = ApiKey.objects.select_for_update().get(pk=key_id)
        # Not with ``create``: a client keeps a name that was reserved later.
        successor = _made(
            name=old.name,
            client=old.client,
            kind=Kind(old.kind),
            scopes=[Scope(scope) for scope in old.scopes],
            # If the old key has an expiry time, the successor gets the same lifetime.
            expires_at=timezone.now() + (old.expires_at - old.created_at)
            if old.expires_at
            else None,
        )
        revoke(key_id=key_id, at=timezone.now() + overlap)
    return successor


def revoke(*, key_id: UUID, at: datetime | None = None) -> None:
    """Expire a key now or at a later time. An earlier expiry time is not changed."""
    end = at or timezone.now()
    still_good = Q(expires_at=None) | Q(expires_at__gt=end)
    ApiKey.objects.filter(still_good, pk=key_id).update(expires_at=end)
    _recent.clear()


def verify(key: str) -> Caller | None:
    """Return the caller of a key; None if the key is malformed, unknown or expired."""
    parts = KEY.fullmatch(key)
    if parts is None:
        return None
    digest = _hash(key)
    remembered = _recent.get(digest)
    if remembered is None:
        found = ApiKey.objects.filter(prefix=parts.group(1)).first()
        if found is None or not compare_digest(found.secret_hash, digest):
            return None
        remembered = found, _caller_of(found)
        _recent.put(digest, remembered)
    api_key, caller = remembered
    now = timezone.now()
    if api_key.expires_at is not None and api_key.expires_at <= now:
        return None
    _note_use(api_key, now)
    return caller


def _caller_of(api_key: ApiKey) -> Caller:
    return Caller(
        client=api_key.client,
        kind=Kind(api_key.kind),
        scopes=frozenset(Scope(scope) for scope in api_key.scopes),
    )


def _note_use(api_key: ApiKey, now: datetime) -> None:
    """Store the time of use, at most once a minute for each key."""
    cutoff = now - LAST_USED_INTERVAL
    if api_key.last_used_at is not None and api_key.last_used_at > cutoff:
        return
    api_key.last_used_at = now
    unnoted = Q(last_used_at=None) | Q(last_used_at__lte=cutoff)
    ApiKey.objects.filter(unnoted, pk=api_key.pk).update(last_used_at=now)
