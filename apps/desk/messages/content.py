"""The content of a message, rendered again from its pinned version and its variables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.common.channels import Channel
from apps.notifications.delivery import own_recipients
from apps.notifications.delivery.compose import email as mails
from apps.notifications.delivery.compose.reserved import objects_for
from apps.notifications.models import Notification
from apps.templates import rendering
from apps.templates.rendering import EmailContent, PushContent, RenderError, TemplateFacts
from apps.users.contacts import Contact, load_contacts, without_account

# The link would turn the recipient's mails off when staff try it.
UNSUBSCRIBE_SHOWN = "https://unsubscribe.invalid/the-recipients-own-link"
SENSITIVE = "The template is sensitive: what such a message says is not kept."
ACCOUNT_MAIL = "A mail about the account itself. Its link is a secret of the recipient."
ERASED = "The recipient's account was erased, and with it what the message says."


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a message says.

    Attributes:
        email: The content of a mail.
        push: The content of a push.
        headers: The headers of a mail that a reader sees or a server acts on.
        withheld: Why nothing is shown; empty if something is.
    """

    email: EmailContent | None = None
    push: PushContent | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    withheld: str = ""


@dataclass(frozen=True, kw_only=True)
class _Known:
    contacts: Mapping[UUID, Contact]
    facts: Mapping[UUID, TemplateFacts]


def _known(rows: Iterable[Notification]) -> _Known:
    rows = list(rows)
    versions = {row.template_version_id for row in rows if row.recipient is None}
    return _Known(
        contacts=load_contacts({row.user_id for row in rows}, channel=Channel.EMAIL),
        facts=rendering.load_versions(versions),
    )


def contacts_and_headlines(
    rows: Iterable[Notification], *, with_headlines: bool
) -> tuple[Mapping[UUID, Contact], dict[UUID, str]]:
    """Return the people of a page of messages, and the subject or title of each message.

    Args:
        rows: The messages.
        with_headlines: Whether the viewer may read them.
    """
    rows = list(rows)
    known = _known(rows)
    headlines: dict[UUID, str] = {}
    for row in rows if with_headlines else ():
        if _withheld(row, known):
            continue
        try:
            headlines[row.pk] = _headline(row, known)
        except RenderError:
            continue
    return known.contacts, headlines


def content_of(row: Notification) -> Content:
    """Return what a message says, as it would be rendered now from the version it was sent with."""
    known = _known([row])
    if withheld := _withheld(row, known):
        return Content(withheld=withheld)
    if row.for_operators:
        return _to_operators(row)
    facts = known.facts[row.template_version_id]
    try:
        content = rendering.render(row.template_version_id, row.variables, **_given(row, known))
    except RenderError as error:
        return Content(withheld=f"It cannot be rendered: {error}.")
    if isinstance(content, PushContent):
        return Content(push=content)
    contact = known.contacts[row.user_id]
    return Content(email=content, headers=_headers(row, contact, content, facts))


def _withheld(row: Notification, known: _Known) -> str:
    """Return why the content of a message is not shown; empty if it is."""
    if row.for_operators:
        return ""
    if row.recipient is not None:
        return ACCOUNT_MAIL
    if row.sensitive:
        return SENSITIVE
    if row.user_id not in known.contacts:
        return ERASED
    if row.template_version_id not in known.facts:
        return "The version of its template no longer exists."
    return ""


def _headline(row: Notification, known: _Known) -> str:
    if row.for_operators:
        return own_recipients.content_of(row).subject
    return rendering.headline(row.template_version_id, row.variables, **_given(row, known))


def _to_operators(row: Notification) -> Content:
    """Return what operators were told. Staff may read it: nothing in it is secret."""
    try:
        content = own_recipients.content_of(row)
    except RenderError as error:
        return Content(withheld=f"It cannot be rendered: {error}.")
    contact, facts = without_account(row.user_id), own_recipients.facts_of(row)
    headers = _headers(row, contact, content, facts)
    return Content(email=content, headers={**headers, "To": "an address of OPERATOR_EMAILS"})


def _given(row: Notification, known: _Known) -> dict[str, Any]:
    contact, facts = known.contacts[row.user_id], known.facts[row.template_version_id]

    def reserved() -> Mapping[str, Any]:
        found = objects_for(row, contact=contact, facts=facts)
        return {**found, "unsubscribe_url": found["unsubscribe_url"] and UNSUBSCRIBE_SHOWN}

    return {"reserved": reserved, "timezone": contact.timezone}


def _headers(
    row: Notification, contact: Contact, content: EmailContent, facts: TemplateFacts
) -> dict[str, str]:
    further = mails.headers_of(row, content=content, facts=facts)
    for name in further:
        if name.lower() == "list-unsubscribe":
            further[name] = f"<{UNSUBSCRIBE_SHOWN}>"
    return {
        "From": mails.sender_of(content),
        "To": f"{contact.name} <{contact.email or 'no confirmed address'}>",
        "Subject": content.subject,
        "Message-ID": mails.message_id_for(row),
        **further,
    }
