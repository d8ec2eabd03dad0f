"""Mails about accounts in a chunk: their recipient is on the row, their text is in the code."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from apps.notifications.broker.topology import Channel
from apps.notifications.models import Notification
from apps.templates import rendering
from apps.users import contacts
from apps.users.contacts import Contact

# What a person reads in a mail that they have asked for themselves has no category to opt out of.
CATEGORY = "account"


def addressees(rows: Sequence[Notification], people: Mapping[UUID, Contact]) -> dict[UUID, Contact]:
    """Return whom to address, by the id of the notification; one query where there are any.

    The address is the row's, also where the person has or confirms another one by now, and whether
    it is suppressed is asked about that address. Those whose user was erased are left out.
    """
    own = {row.pk: row for row in rows if row.recipient is not None and row.user_id in people}
    listed = contacts.suppressed({row.recipient for row in own.values() if row.recipient})
    return {
        pk: replace(
            people[row.user_id],
            email=row.recipient or None,
            suppressed=row.recipient in listed,
        )
        for pk, row in own.items()
    }


def facts_of(row: Notification) -> rendering.TemplateFacts:
    """Return what sending depends on: opt-outs and quiet hours do not hold it, suppression does."""
    return rendering.TemplateFacts(
        code=row.template_code,
        channel=Channel.EMAIL,
        category=CATEGORY,
        critical=True,
        sensitive=True,
    )


def content_of(row: Notification) -> rendering.EmailContent:
    """Render the text that the code has for it, whatever templates are stored.

    Raises:
        RenderError: This version of the code has no such text, or a variable is missing.
    """
    return rendering.builtin.render(
        row.template_code, language=row.language, variables=row.content_variables
    )
