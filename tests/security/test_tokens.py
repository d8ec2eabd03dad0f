"""A token is accepted only with a valid signature, for its kind, before its expiry."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.conf import settings as project
from rest_framework.test import APIClient

from apps.common.ids import new_id
from apps.users import contacts, tokens
from apps.users.models import User
from tests.users.conftest import Rate

pytestmark = pytest.mark.django_db

KEY = project.SECRET_KEY
OTHER_KEY = "another-secret-of-another-installation-" + "0" * 30
Forge = Callable[[dict[str, Any], str], str]


def status_with(token: str) -> int:
    caller = APIClient(raise_request_exception=False)
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return int(caller.get("/api/v1/notifications/").status_code)


def refresh_with(token: str) -> int:
    asked = {"refresh": token}
    answer = APIClient().post("/api/v1/users/token/refresh", asked, format="json")
    return int(answer.status_code)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def encoded(part: bytes | dict[str, Any]) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: dict[str, Any], key: str, digest: str = "sha256") -> str:
    """Sign by hand with any header."""
    text = f"{encoded(header)}.{encoded(claims)}"
    return f"{text}.{encoded(hmac.new(key.encode(), text.encode(), digest).digest())}"


def forgeries(good: str) -> dict[str, str]:
    claims = claims_of(good)
    head, body, signature = good.split(".")
    public_key = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"
    somebody = {**claims, "user_id": str(new_id())}
    return {
        "no signature": f"{head}.{body}.",
        "no algorithm": f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "no algorithm, spelled otherwise": f"{encoded({'alg': 'nOnE'})}.{body}.{signature}",
        "another algorithm of the family": signed({"alg": "HS512"}, claims, KEY, "sha512"),
        "named as an asymmetric one": signed({"alg": "RS256"}, claims, public_key),
        "signed with a public key": signed({"alg": "HS256"}, claims, public_key),
        "another installation's": jwt.encode(claims, OTHER_KEY, algorithm="HS256"),
        "signed with nothing": signed({"alg": "HS256"}, claims, ""),
        "somebody else's body": f"{head}.{encoded(somebody)}.{signature}",
        "a key of its own": signed({"alg": "HS256", "jwk": {"k": "eA"}}, claims, "x"),
        "a key from a file": signed({"alg": "HS256", "kid": "/dev/null"}, claims, ""),
        "expired": jwt.encode({**claims, "exp": int(time.time()) - 1}, KEY, algorithm="HS256"),
        "without an end": jwt.encode(
            {name: value for name, value in claims.items() if name != "exp"}, KEY, algorithm="HS256"
        ),
        "not yet valid": jwt.encode(
            {**claims, "nbf": int(time.time()) + 600}, KEY, algorithm="HS256"
        ),
        "no user": jwt.encode({**claims, "user_id": None}, KEY, algorithm="HS256"),
        "a user that never was": jwt.encode(somebody, KEY, algorithm="HS256"),
        "an earlier session": jwt.encode({**claims, "session_version": -1}, KEY, algorithm="HS256"),
        "no session": jwt.encode({**claims, "session_version": None}, KEY, algorithm="HS256"),
        "another kind": jwt.encode({**claims, "token_type": "sliding"}, KEY, algorithm="HS256"),
        "no kind": jwt.encode({**claims, "token_type": None}, KEY, algorithm="HS256"),
    }


def test_a_forged_access_token_is_a_401(alice: User) -> None:
    good = tokens.issue(alice).access
    found = {kind: status_with(forged) for kind, forged in forgeries(good).items()}
    assert {kind: status for kind, status in found.items() if status != 401} == {}
    assert status_with(good) == 200


def test_a_forged_refresh_token_is_a_401(alice: User, settings: Any) -> None:
    settings.RATE_LIMIT_LOGIN = Rate(calls=1000, seconds=60)
    good = tokens.issue(alice).refresh
    found = {kind: refresh_with(forged) for kind, forged in forgeries(good).items()}
    assert {kind: status for kind, status in found.items() if status != 401} == {}
    assert refresh_with(good) == 200


def test_access_and_refresh_tokens_cannot_replace_each_other(alice: User) -> None:
    issued = tokens.issue(alice)
    assert status_with(issued.refresh) == 401
    assert refresh_with(issued.access) == 401


def test_a_text_signed_for_another_purpose_is_not_a_token(alice: User) -> None:
    # Links in mails use the same secret, but each purpose derives its own key from it.
    body = encoded(claims_of(tokens.issue(alice).access))
    key = hashlib.sha256(b"django.core.signing.Signersigner" + KEY.encode()).digest()
    text = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{body}"
    forged = f"{text}.{encoded(hmac.new(key, text.encode(), hashlib.sha256).digest())}"
    assert status_with(forged) == 401


@pytest.mark.parametrize("change", [{"is_active": False}, {"session_version": 1}])
def test_the_tokens_of_a_disabled_user_or_older_session_version_are_void(
    alice: User, change: dict[str, Any]
) -> None:
    issued = tokens.issue(alice)
    User.objects.filter(pk=alice.pk).update(**change)
    assert status_with(issued.access) == 401
    assert refresh_with(issued.refresh) == 401


def test_the_tokens_of_an_erased_user_are_void(shop: APIClient, alice: User) -> None:
    issued = tokens.issue(alice)
    assert shop.delete(f"/api/v1/users/{alice.pk}").status_code == 204
    assert contacts.load_contacts([alice.pk]) == {}
    assert status_with(issued.access) == 401
    assert refresh_with(issued.refresh) == 401


def test_the_token_of_former_staff_has_only_the_rights_of_an_end_user(
    charlie: User, alice: User
) -> None:
    issued = tokens.issue(charlie)
    User.objects.filter(pk=charlie.pk).update(is_staff=False, is_superuser=False)
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.access}")
    assert caller.get(f"/api/v1/users/{alice.pk}").status_code == 404
    assert caller.get("/api/v1/services/").status_code == 403


def test_a_logout_voids_the_refresh_token_and_access_tokens_live_15_minutes(alice: User) -> None:
    issued = tokens.issue(alice)
    out = APIClient().post("/api/v1/users/logout", {"refresh": issued.refresh}, format="json")
    assert out.status_code == 204
    assert refresh_with(issued.refresh) == 401
    # Both tokens begin at the same moment; ``iat`` of the access token may be a second later.
    began = claims_of(issued.refresh)["iat"]
    assert claims_of(issued.access)["exp"] - began == 15 * 60


def test_a_token_contains_no_personal_data(alice: User) -> None:
    issued = tokens.issue(alice)
    known = {"token_type", "exp", "iat", "jti", "user_id", "session_version", "second_factor"}
    assert set(claims_of(issued.access)) == set(claims_of(issued.refresh)) == known
