"""The addresses that a push message may open or show."""

import re
from urllib.parse import urlsplit

ADDRESS_LENGTH_LIMIT = 2_048
WEB_SCHEMES = frozenset({"http", "https"})
# A link with one of these would run a script, be a document of its own, read a file or start any
# part of another app; or it is one of a network that no phone opens.
REFUSED_SCHEMES = frozenset({
    "about", "blob", "content", "data", "file", "filesystem", "ftp", "gopher", "intent", "jar",
    "javascript", "vbscript", "view-source", "ws", "wss",
})  # fmt: skip
UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")


def is_web_address(text: str) -> bool:
    """Return whether a text is an absolute http or https URL that a client can open."""
    if len(text) > ADDRESS_LENGTH_LIMIT or UNSAFE.search(text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in WEB_SCHEMES and bool(parts.hostname)
    except ValueError:
        return False


def is_app_address(text: str) -> bool:
    """Return whether a text is a web address, or one with an app's scheme: ``myapp://order/1``."""
    if len(text) > ADDRESS_LENGTH_LIMIT or UNSAFE.search(text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    if not parts.scheme or parts.scheme in REFUSED_SCHEMES:
        return False
    if parts.scheme in WEB_SCHEMES:
        return bool(parts.hostname)
    return bool(parts.netloc or parts.path)
