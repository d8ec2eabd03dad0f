"""What somebody who tries the system is shown first: addresses, the demo's secrets and a call."""

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from apps.notifications.api.welcome import sandbox_link
from apps.notifications.embedded.demo import Demo

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
# Prometheus calls the web process by the name of its service.
INSIDE = frozenset({"web"})


def is_local(public_url: str, allowed_hosts: Sequence[str]) -> bool:
    """Return whether an installation is addressed on this machine only."""
    host = urlsplit(public_url).hostname or ""
    return host in LOOPBACK and set(allowed_hosts) <= LOOPBACK | INSIDE


def text(made: Demo, base: str) -> str:
    """Return the addresses of the pages, the secrets of the demo and a call that sends a mail."""
    body = json.dumps(
        {
            "notification_type": "email",
            "user_id": str(made.user.pk),
            "template_code": "welcome",
            "variables": {"name": "Ada", "link": "https://example.com"},
        }
    )
    sandbox = f"""
  Sandbox        {base}{sandbox_link(made.staff)}
                 (logs in once; shows what would have been sent)"""
    return f"""
  API            {base}/api/v1/          (documentation: {base}/api/docs/)
  Admin          {base}/admin/           {made.staff.email} / {made.staff_password}\
{sandbox if settings.EMBEDDED else ""}
  API key        {made.api_key}
  Demo user      {made.user.pk}

  Send a notification:

  curl -sS {base}{reverse("notifications")} \\
    -H 'Authorization: Api-Key {made.api_key}' \\
    -H 'Content-Type: application/json' \\
    -d '{body}'

  Its answer names the address of its status.\
"""
