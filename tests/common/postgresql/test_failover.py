"""An address with several hosts uses the one that answers and accepts writes."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection

from apps.common.postgresql.base import DatabaseWrapper
from notifications_project.settings import server_addresses
from tests import services

pytestmark = [pytest.mark.services, pytest.mark.django_db]


@pytest.mark.parametrize("hosts", ["127.0.0.1:1,{given}", "{given},127.0.0.1:1"])
def test_a_host_that_is_away_is_passed_over(hosts: str) -> None:
    given = urlsplit(services.DATABASE_URL)
    user, _, host = given.netloc.rpartition("@")
    address = given._replace(
        netloc=f"{user}@{hosts.format(given=host)}", query="target_session_attrs=read-write"
    ).geturl()
    server_addresses.database(address)
    config = server_addresses.database_config(address)
    here: dict[str, Any] = connection.settings_dict
    options = {**here["OPTIONS"], **config["OPTIONS"]}
    one = DatabaseWrapper({**here, **config, "OPTIONS": options}, alias="failover")
    try:
        with one.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            assert cursor.fetchall() == [("15s",)]
    finally:
        one.close()
