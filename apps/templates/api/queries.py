"""Query parameters of the template endpoints, validated like bodies."""

import re

from rest_framework.request import Request

from apps.common.channels import Channel
from apps.common.languages import canonical
from apps.common.rest.problems import invalid
from apps.templates.api.converters import VersionNumber
from apps.templates.models import CATEGORY_MAX_LENGTH


def language_asked(request: Request) -> str | None:
    """Read ``?language=`` as a canonical language tag.

    Raises:
        Problem: 400 when it is not a language tag.
    """
    given = request.query_params.get("language")
    if given is None:
        return None
    try:
        return canonical(given)
    except ValueError as error:
        raise invalid("?language", "invalid_language", str(error)) from None


def version_asked(request: Request) -> int | None:
    """Read ``?version=``.

    Raises:
        Problem: 400 when it is not a valid version number.
    """
    given = request.query_params.get("version")
    if given is None:
        return None
    if not re.fullmatch(VersionNumber.regex, given):
        raise invalid("?version", "not_a_version", "Expected a number from 1.")
    return int(given)


def channel_asked(request: Request) -> str | None:
    """Read ``?notification_type=``.

    Raises:
        Problem: 400 when it is neither email nor push.
    """
    given = request.query_params.get("notification_type")
    if given is not None and given not in list(Channel):
        raise invalid("?notification_type", "invalid_choice", "Expected email or push.")
    return given


def category_asked(request: Request) -> str | None:
    """Read ``?category=``.

    Raises:
        Problem: 400 when it is empty or too long.
    """
    given = request.query_params.get("category")
    if given is not None and not 0 < len(given) <= CATEGORY_MAX_LENGTH:
        detail = f"Expected 1 to {CATEGORY_MAX_LENGTH} characters."
        raise invalid("?category", "out_of_range", detail)
    return given
