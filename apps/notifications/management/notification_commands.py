"""The subcommands of ``notify`` for single notifications: send, preview and replay."""

import json
from argparse import Namespace
from dataclasses import asdict

import msgspec
from django.core.management.base import CommandError, OutputWrapper

from apps.common.callers import Caller
from apps.notifications.dead_letters import resend
from apps.notifications.intake import accept, requests
from apps.notifications.management.arguments import OPERATOR
from apps.notifications.models import Notification
from apps.templates import previews, rendering


def send(arguments: Namespace, out: OutputWrapper) -> None:
    """Accept a notification like the API."""
    given = {
        "notification_type": arguments.type,
        "user_id": str(arguments.user),
        "template_code": arguments.template,
        "variables": arguments.variables,
        "request_id": arguments.request_id,
        "priority": arguments.priority,
        "language": arguments.language,
    }
    try:
        asked = msgspec.convert(given, requests.SendRequest)
    except msgspec.ValidationError as error:
        raise requests.as_problem(error) from None
    accepted = accept.accept(asked, caller=Caller(client=arguments.client))
    out.write(str(accepted.notification.pk))


def preview(arguments: Namespace, out: OutputWrapper) -> None:
    """Render a template with the same code as for sending."""
    try:
        shown = previews.preview(
            arguments.template,
            variables=arguments.variables,
            language=arguments.language,
            version=arguments.number,
        )
    except rendering.UnknownTemplate:
        raise CommandError("There is no such template.") from None
    except previews.UnknownVersion:
        raise CommandError("There is no such version.") from None
    except rendering.RenderError as error:
        raise CommandError(str(error)) from None
    out.write(json.dumps(asdict(shown), indent=2, ensure_ascii=False, default=str))


def replay(arguments: Namespace, out: OutputWrapper) -> None:
    """Replay a notification as a new one."""
    original = Notification.objects.filter(pk=arguments.notification).first()
    if original is None:
        raise CommandError("There is no such notification.")
    done = resend.replay(
        original,
        caller=Caller(client=OPERATOR),
        may_have_arrived=arguments.may_have_arrived,
    )
    out.write(str(done.notification.pk))
