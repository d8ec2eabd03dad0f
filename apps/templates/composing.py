"""Render the content of one message from parsed fields and variables."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from liquid.exceptions import LiquidError

from apps.common.channels import Channel
from apps.templates.compiling.plain_text import tidied
from apps.templates.content import LINK_PROBLEMS, LINKS, ParsedContent
from apps.templates.engine.limits import Meter
from apps.templates.engine.reading import PROPERTIES
from apps.templates.engine.sandbox import USUAL, RenderOptions
from apps.templates.engine.syntax import Parsed

# CR and LF would start another header; other control characters are not allowed in one line.
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
LINE_LENGTH_LIMIT = 998  # RFC 5322, section 2.1.1.
# APNs: https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
COLLAPSE_ID_MAX_BYTES = 64


# Our own objects as a preview without a recipient shows them.
SAMPLE: Mapping[str, Any] = {
    "recipient": {
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "locale": "en",
        "timezone": "Europe/London",
    },
    "unsubscribe_url": "https://notify.example.com/unsubscribe/sample",
}


class RenderError(Exception):
    """This version cannot be rendered with these variables; a retry does not help.

    Attributes:
        detail: The error, without the values of variables.
        place: The field, such as ``html``; empty if the error is not in one field.
    """

    def __init__(self, detail: str, *, place: str = "") -> None:
        self.detail = detail
        self.place = place
        super().__init__(f"{place}: {detail}" if place else detail)


@dataclass(frozen=True, kw_only=True, slots=True)
class EmailContent:
    """The content of an e-mail. The subject is one line.

    Attributes:
        from_name: The name of the sender; empty for that of ``DEFAULT_FROM_EMAIL``.
        reply_to: The address to which answers go; empty for the sender's.
    """

    subject: str
    text: str
    html: str | None = None
    from_name: str = ""
    reply_to: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PushContent:
    """The content of a push message. The title is one line.

    Attributes:
        image: An http(s) URL.
        link: An http(s) URL, or one with an app's scheme.
        sound: The sound's name; empty for the default one, ``none`` for none.
        badge: The number at the app's icon; None leaves it as it is.
        channel_id: The notification channel of Android; empty for the app's default.
        silent: Whether nothing is shown, and only the data is delivered to the app.
        ttl_seconds: How long it is worth being delivered; None for the provider's maximum.
        collapse_id: A later message with the same id replaces this one; empty for the
            notification's id, which no other message has.
    """

    title: str
    body: str
    image: str | None = None
    link: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    sound: str = ""
    badge: int | None = None
    channel_id: str = ""
    silent: bool = False
    ttl_seconds: int | None = None
    collapse_id: str = ""


def missing_paths(required: Iterable[str], variables: Mapping[str, Any]) -> list[str]:
    """Return the required variables that are not given, sorted.

    If a whole variable is missing, its root name is returned. If only a part of it is missing, its
    path is returned, such as ``order.total``. Null counts as missing.
    """
    missing = set()
    for path in required:
        root, *steps = path.split(".")
        value: Any = variables.get(root)
        if value is None:
            missing.add(root)
            continue
        for step in steps:
            value = _step(value, step)
        if value is None:
            missing.add(path)
    return sorted(missing)


def _step(value: Any, step: str) -> Any:
    """Return a part of a value; None if it has no such part.

    A list has ``size``, ``first`` and ``last``, even if it is empty, and a text has ``size``.
    """
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list):
        return value if step in PROPERTIES else None
    return value if isinstance(value, str) and step == "size" else None


def compose(
    parsed: ParsedContent, variables: Mapping[str, Any], options: RenderOptions = USUAL
) -> EmailContent | PushContent:
    """Render all fields of a message under one common work limit.

    Raises:
        RenderError: A limit was exceeded, a filter does not fit its value, or a URL is invalid.
    """
    return composed(parsed, variables, options)[0]


def composed(
    parsed: ParsedContent, variables: Mapping[str, Any], options: RenderOptions
) -> tuple[EmailContent | PushContent, list[str]]:
    """Render a message, and return also the links that are replaced, as their author wrote them.

    Raises:
        RenderError: See ``compose``.
    """
    composer = _Composer(parsed, variables, options)
    return _content(parsed, composer), composer.meter.refused


def _content(parsed: ParsedContent, composer: "_Composer") -> EmailContent | PushContent:
    if parsed.channel == Channel.EMAIL:
        text = composer.text("body")
        return EmailContent(
            subject=composer.line("subject"),
            text=tidied(text) if parsed.text_from_html else text,
            html=composer.text("html") if "html" in parsed.fields else None,
            from_name=composer.line("from_name"),
            **parsed.options,
        )
    return PushContent(
        title=composer.line("title"),
        body=composer.text("body"),
        image=composer.address("image"),
        link=composer.address("link"),
        data={key: composer.render(f"data.{key}", one) for key, one in parsed.data.items()},
        collapse_id=composer.collapse_id(),
        **parsed.options,
    )


def headline(
    parsed: ParsedContent, variables: Mapping[str, Any], options: RenderOptions = USUAL
) -> str:
    """Render the subject of a mail or the title of a push alone.

    Raises:
        RenderError: See ``compose``.
    """
    name = "subject" if parsed.channel == Channel.EMAIL else "title"
    return _Composer(parsed, variables, options).line(name)


def check_outcomes(
    parsed: ParsedContent,
    variables: Mapping[str, Any],
    names: Iterable[str],
    options: RenderOptions = USUAL,
) -> None:
    """Render some fields of a message, to see whether they can be sent.

    Raises:
        RenderError: A text is empty that must not be, or an address is none.
    """
    composer = _Composer(parsed, variables, options)
    for name in names:
        if name in LINKS:
            composer.address(name)
        elif not composer.line(name):
            raise RenderError("renders to nothing", place=name)


def empty_texts(content: EmailContent | PushContent) -> list[str]:
    """Return the texts of a message that must not be empty and are."""
    if isinstance(content, EmailContent):
        return [] if content.subject else ["subject"]
    return [] if content.title or content.silent else ["title"]


class _Composer:
    def __init__(
        self, parsed: ParsedContent, variables: Mapping[str, Any], options: RenderOptions
    ) -> None:
        self.parsed = parsed
        self.options = options
        self.variables = variables
        self.meter = Meter()
        try:
            self.meter.admit(variables)
        except LiquidError as error:
            raise RenderError(str(error.message)) from None

    def render(self, place: str, parsed: Parsed) -> str:
        try:
            return parsed.render(self.variables, self.meter, self.options)
        except LiquidError as error:
            raise RenderError(str(error.message), place=place) from None
        except Exception as error:  # noqa: BLE001 - it must not stop other messages of the chunk.
            # The library fails on values of unexpected types; a retry does not help.
            detail = f"cannot be rendered ({type(error).__name__})"
            raise RenderError(detail, place=place) from None

    def text(self, name: str) -> str:
        field = self.parsed.fields.get(name)
        return "" if field is None else self.render(name, field)

    def line(self, name: str) -> str:
        line = CONTROL_CHARACTERS.sub(" ", self.text(name)).strip()
        return line if len(line) <= LINE_LENGTH_LIMIT else line[: LINE_LENGTH_LIMIT - 1] + "…"

    def address(self, name: str) -> str | None:
        if name not in self.parsed.fields:
            return None
        address = self.text(name).strip()
        if not address:
            return None
        if not LINKS[name](address):
            raise RenderError(LINK_PROBLEMS[name], place=name)
        return address

    def collapse_id(self) -> str:
        collapse_id = self.line("collapse_id")
        if len(collapse_id.encode()) > COLLAPSE_ID_MAX_BYTES:
            detail = f"is longer than {COLLAPSE_ID_MAX_BYTES} bytes"
            raise RenderError(detail, place="collapse_id")
        return collapse_id
