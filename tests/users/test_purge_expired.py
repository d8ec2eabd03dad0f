"""Expired refresh tokens and sessions are deleted."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from apps.users.models import User
from apps.users.purge_expired import PurgeExpired, purge_expired

pytestmark = pytest.mark.django_db


def leave_both(user: User, name: str, *, hours: int) -> None:
    at = timezone.now() + timedelta(hours=hours)
    OutstandingToken.objects.create(user=user, jti=name, token=name, expires_at=at)
    Session.objects.create(session_key=name, session_data="", expire_date=at)


def test_expired_tokens_and_sessions_are_deleted_and_valid_ones_kept(alice: User) -> None:
    leave_both(alice, "old", hours=-1)
    leave_both(alice, "good", hours=1)
    assert purge_expired() == 1
    assert [token.jti for token in OutstandingToken.objects.all()] == ["good"]
    assert [session.session_key for session in Session.objects.all()] == ["good"]


def test_the_purge_job_pauses_between_its_runs(alice: User) -> None:
    job = PurgeExpired()
    leave_both(alice, "old", hours=-1)
    assert job() is False
    leave_both(alice, "later", hours=-1)
    assert job() is False
    assert OutstandingToken.objects.count() == 1


@pytest.mark.embedded
def test_a_session_that_cannot_be_deleted_does_not_stop_others(alice: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER stuck BEFORE DELETE ON django_session WHEN OLD.session_key = 'stuck' "
            "BEGIN SELECT RAISE(ABORT, 'stuck'); END"
        )
    for name in ("old", "stuck", "older"):
        leave_both(alice, name, hours=-1)
    assert purge_expired() == 3
    assert [session.session_key for session in Session.objects.all()] == ["stuck"]
    assert not OutstandingToken.objects.exists()
