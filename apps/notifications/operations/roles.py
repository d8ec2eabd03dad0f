"""The staff groups and their permissions."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission

VIEWED = (
    "notifications.notification",
    "notifications.attempt",
    "notifications.receipt",
    "notifications.event",
    "notifications.deadletter",
    "notifications.deadletterreplay",
    "notifications.deadletteraction",
    "notifications.batch",
    "notifications.heartbeat",
    "notifications.sandboxmessage",
    "notifications.retentionrule",
    "notifications.dailycount",
    "message_templates.template",
    "message_templates.templateversion",
    "users.user",
    "users.device",
    "users.suppression",
    "webhooks.endpoint",
    "webhooks.delivery",
)


def _all_of(action: str, models: Iterable[str]) -> set[str]:
    return {f"{app}.{action}_{model}" for app, model in (name.split(".") for name in models)}


_VIEW = _all_of("view", VIEWED)
_WRITE_TEMPLATES = {
    "message_templates.add_template",
    "message_templates.change_template",
}
_OPERATE = {
    "desk.view_content",
    "desk.view_auditentry",
    "notifications.add_notification",
    "notifications.change_notification",
    "notifications.change_deadletter",
    "users.add_suppression",
    "users.change_suppression",
    "users.delete_suppression",
    "webhooks.add_endpoint",
    "webhooks.change_endpoint",
    "webhooks.delete_endpoint",
}
_ADMINISTER = {
    "notifications.add_retentionrule",
    "notifications.change_retentionrule",
    "notifications.delete_retentionrule",
    "users.add_user",
    "users.change_user",
    "users.delete_user",
    "users.add_device",
    "users.change_device",
    "users.delete_device",
    "users.view_apikey",
    "users.add_apikey",
    "users.change_apikey",
    "auth.view_group",
}

ROLES: dict[str, set[str]] = {
    "Viewer": _VIEW,
    "Template editor": _VIEW | _WRITE_TEMPLATES,
    "Operator": _VIEW | _OPERATE,
    "Administrator": _VIEW | _WRITE_TEMPLATES | _OPERATE | _ADMINISTER,
}


def seed_roles(**_: Any) -> None:
    """Create missing groups with their permissions. Existing groups are not changed.

    It runs after every migration, because Django creates the permissions only then.
    """
    for name, wanted in ROLES.items():
        group, made = Group.objects.get_or_create(name=name)
        if made:
            group.permissions.set(_permissions(wanted))


def _permissions(names: Iterable[str]) -> list[Permission]:
    wanted = {tuple(name.split(".")) for name in names}
    rows = Permission.objects.select_related("content_type")
    return [row for row in rows if (row.content_type.app_label, row.codename) in wanted]
