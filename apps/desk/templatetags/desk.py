"""How the desk writes times, ids, statuses and numbers."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.desk import places
from apps.notifications.lifecycle.reasons import STATUSES, explained
from apps.notifications.lifecycle.states import Status

register = template.Library()

NONE = "\N{EN DASH}"
# Status: the class that colours it, and its sign.
LOOKS = {
    Status.DELIVERED: ("good", "✓"),
    Status.SENT: ("good", "→"),
    Status.SENDING: ("busy", "…"),
    Status.PENDING: ("busy", "…"),
    Status.RETRYING: ("late", "↻"),
    Status.SCHEDULED: ("calm", "◷"),
    Status.FAILED: ("bad", "✕"),
    Status.BOUNCED: ("bad", "↩"),
    Status.SKIPPED: ("calm", NONE),
    Status.EXPIRED: ("late", "◔"),
    Status.CANCELLED: ("calm", "⊘"),
}
ENDING = 8
# The names of providers and the like are shown whole.
SHORT = 16
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# The units of durations: the length in seconds, and the digits after the point.
UNITS = (("h", 3_600, 1), ("min", 60, 0), ("s", 1, 1))
SANDBOX = "sandbox"
NOTHING = format_html("<span>{}</span>", NONE)


@register.simple_tag(takes_context=True)
def menu(context: dict[str, Any]) -> list[places.Shown]:
    """Return the places that the viewer may go to; the page of an error is in none of them."""
    request: HttpRequest = context["request"]
    return list(places.menu(request.user, "" if "problem" in context else request.path))


@register.filter
def code_words(text: str) -> SafeString:
    """Show what stands between backticks as code."""
    parts = enumerate(text.split("`"))
    marked = ((format_html("<code>{}</code>", part) if n % 2 else part,) for n, part in parts)
    return format_html_join("", "{}", marked)


@register.simple_tag
def mode() -> dict[str, str]:
    """Return which providers really send, for the badge of every page."""
    names = [*settings.EMAIL_PROVIDERS, *settings.PUSH_PROVIDERS]
    real = list(dict.fromkeys(name for name in names if name != SANDBOX))
    if real:
        return {"kind": "live", "word": "live", "detail": f"Sends by {', '.join(real)}."}
    where = "embedded sandbox" if settings.EMBEDDED else SANDBOX
    return {"kind": SANDBOX, "word": where, "detail": "Nothing leaves this server."}


@register.simple_tag
def status_word(status: str) -> SafeString:
    """Show a status by a sign, a word and a colour."""
    look, sign = LOOKS[Status(status)]
    return format_html(
        '<span class="status is-{}"><span aria-hidden="true">{}</span> {}</span>',
        look,
        sign,
        STATUSES[Status(status)],
    )


@register.filter
def sentence(code: str) -> str:
    """Return what a reason means."""
    return explained(code).sentence


@register.filter
def advice(code: str) -> str:
    """Return what to do about a reason."""
    return explained(code).advice


@register.simple_tag
def short_id(value: Any) -> SafeString:
    """Show the end of an id, with a button that copies all of it."""
    if not value:
        return NOTHING
    text = str(value)
    return format_html(
        '<span class="id" title="{0}"><code>{1}</code>'
        '<button type="button" class="copy" data-copy="{0}" aria-label="Copy {0}">'
        '<svg viewBox="0 0 12 12" aria-hidden="true"><path d="M1 4h7v7H1zM4 4V1h7v7H8"/></svg>'
        "</button>"
        "</span>",
        text,
        text if len(text) <= SHORT else f"…{text[-ENDING:]}",
    )


@register.simple_tag
def moment(at: datetime | None, now: datetime | None = None) -> SafeString:
    """Show a time as people say it, with the full time and its zone on hover."""
    if at is None:
        return NOTHING
    local = timezone.localtime(at)
    full = f"{local:%-d %B %Y, %H:%M:%S} {timezone.get_current_timezone_name()}"
    words = spoken(at, now or timezone.now())
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), full, words)


def spoken(at: datetime, now: datetime) -> str:
    """Return a time in words: how long ago or ahead within a day, else the day and the clock."""
    gap = abs(now - at)
    if gap < MINUTE:
        return "just now" if at <= now else "in a moment"
    if gap < DAY:
        number, unit = (gap // MINUTE, "min") if gap < HOUR else (gap // HOUR, "h")
        return f"{number} {unit} ago" if at < now else f"in {number} {unit}"
    local, today = timezone.localtime(at), timezone.localtime(now)
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local:%-d %b}{year}, {local:%H:%M}"


@register.filter
def thin(number: float | None) -> str:
    """Return a number with thin spaces between its groups of digits."""
    if number is None:
        return NONE
    return f"{number:,}".replace(",", "\u2009")


@register.filter
def duration(milliseconds: float | None) -> str:
    """Return a duration in the unit that people would use."""
    if milliseconds is None:
        return NONE
    seconds = milliseconds / 1_000
    for unit, length, digits in UNITS:
        if seconds >= length:
            return f"{seconds / length:.{digits}f} {unit}"
    return f"{milliseconds:.0f} ms"


@register.simple_tag
def zone_name() -> str:
    """Return the name of the zone in which times are shown."""
    return timezone.get_current_timezone_name()
