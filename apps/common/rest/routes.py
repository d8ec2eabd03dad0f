"""Routes that accept a path with and without a trailing slash, without a redirect."""

from collections.abc import Iterable

from django.urls import URLPattern, path
from django.urls.resolvers import RoutePattern


def either_slash(patterns: Iterable[URLPattern]) -> list[URLPattern]:
    """Add to each ``path()`` its other spelling, without a name, so that reversing finds the first.

    Raises:
        TypeError: A pattern is not a ``path()``.
    """
    spelled = list(patterns)
    for pattern in list(spelled):
        if not isinstance(pattern.pattern, RoutePattern):
            message = f"either_slash takes path() patterns only, not {pattern!r}"
            raise TypeError(message)
        route = str(pattern.pattern)
        other = route.removesuffix("/") if route.endswith("/") else f"{route}/"
        spelled.append(path(other, pattern.callback, pattern.default_args))
    return spelled
