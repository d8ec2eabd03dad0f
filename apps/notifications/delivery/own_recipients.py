"""The system's own mails in a chunk: the row has their recipient, and the code their text.

They are mails about accounts, and mails to operators, who need no account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from apps.common.channels import Channel
from apps.notifications.models import Notification
from apps.templates import rendering
from apps.users import contacts
from apps.users.contacts import Contact

# Nobody can opt out of these: a user requested the mail, and operators set their addresses.
CATEGORY = "account"
OPERATORS_CATEGORY = "operations"


def addressees(rows: Sequence[Notification], people: Mapping[UUID, Contact]) -> dict[UUID, Contact]:
    """Return the contact for each own mail, by notification id. Needs at most one query.

    The address is the one on the row, even if the user has or confirms another one by now. The
    suppression list is checked for that address. Rows of erased users are left out.
    """
    own = {
        row.pk: row
        for row in rows
        if row.recipient is not None and (row.for_operators or row.user_id in people)
    }
    listed = contacts.suppressed({row.recipient for row in own.values() if row.recipient})
    return {
        pk: replace(
            people.get(row.user_id) or contacts.without_account(row.user_id),
            email=row.recipient or None,
            suppressed=row.recipient in listed,
        )
        for pk, row in own.items()
    }


def facts_of(row: Notification) -> rendering.TemplateFacts:
    """Return the sending rules: opt-outs and quiet hours do not apply, suppression does."""
    return rendering.TemplateFacts(
        code=row.template_code,
        channel=Channel.EMAIL,
        category=OPERATORS_CATEGORY if row.for_operators else CATEGORY,
        critical=True,
        sensitive=row.sensitive,
    )


def content_of(row: Notification) -> rendering.EmailContent:
    """Render the built-in text of an own mail, independently of the stored templates.

    Raises:
        RenderError: This release has no such text, or a variable is missing.
    """
    return rendering.builtin.render(
        row.template_code, language=row.language, variables=row.content_variables
    )
