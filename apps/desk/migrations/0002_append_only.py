"""Let nobody change or delete the audit trail, and let those who may send read contents."""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION desk_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit trail is only added to.';
END
$$
"""
TRIGGER = """
CREATE TRIGGER desk_audit_append_only BEFORE UPDATE OR DELETE ON desk_auditentry
FOR EACH ROW EXECUTE FUNCTION desk_audit_append_only()
"""


def protect(apps, schema_editor):
    """Refuse changes of rows on PostgreSQL. SQLite is for trying things out."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION)
        schema_editor.execute(TRIGGER)


def unprotect(apps, schema_editor):
    """Undo it."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER desk_audit_append_only ON desk_auditentry")
        schema_editor.execute("DROP FUNCTION desk_audit_append_only()")


def grant(apps, schema_editor):
    """Give the new rights to the groups that exist already and may send messages.

    Roles are created with their rights, and not changed afterwards. Django creates the rights after
    all migrations, unless they are there.
    """
    content_types = apps.get_model("contenttypes", "ContentType")
    permissions = apps.get_model("auth", "Permission")
    groups = apps.get_model("auth", "Group")
    kind, _ = content_types.objects.get_or_create(app_label="desk", model="auditentry")
    senders = groups.objects.filter(
        permissions__codename="add_notification",
        permissions__content_type__app_label="notifications",
    )
    for codename, name in (
        ("view_content", "Can read the content of messages"),
        ("view_auditentry", "Can view audit entry"),
    ):
        permission, _ = permissions.objects.get_or_create(
            codename=codename, content_type=kind, defaults={"name": name}
        )
        for group in senders:
            group.permissions.add(permission)


def keep(apps, schema_editor):
    """Leave the rights, which Django removes with the table."""


class Migration(migrations.Migration):
    """Protect the table, and give its rights."""

    dependencies = [
        ("desk", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(protect, unprotect),
        migrations.RunPython(grant, keep),
    ]
