"""A fast path for the most frequent API call of client applications."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import PermissionDenied

from apps.common.callers import Caller
from apps.common.middleware.sessions import has_key
from apps.common.rest.negotiation import ANYTHING
from apps.common.rest.permissions import Access
from apps.common.rest.renderers import JSONRenderer

_constant: dict[type, dict[str, str]] = {}


class FastPost(ABC):
    """Mixin for API views: handle a POST with an API key without the objects of the REST framework.

    The fast path uses the same authentication, access table, parser and problems, in the same
    order. It skips only the request, the response and the content negotiation of the REST
    framework, which are a fifth of the cost of a call. All other requests use the normal path, for
    example those of a browser, with the token of a user or with another media type. Errors use the
    normal path too.

    Subclasses implement ``post_fast``. Their first authentication class must recognize API keys
    and must need only Django's request.
    """

    access: ClassVar[Mapping[str, Access]]
    parser_classes: Any
    authentication_classes: Any

    @abstractmethod
    def post_fast(
        self, request: HttpRequest, caller: Caller, body: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Return the status, the document and the additional headers of the response.

        Raises:
            Problem: In the same cases as the view's ``post``.
        """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Handle the request, on the fast path if possible."""
        framework = cast("Any", super())
        if not _is_fast(request):
            usual: HttpResponse = framework.dispatch(request, *args, **kwargs)
            return usual
        try:
            return self._answer(request)
        except Exception as error:  # noqa: BLE001 - like the framework's own dispatch.
            return self._refuse(request, error, *args, **kwargs)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        _, caller = self.authentication_classes[0]().authenticate(request)
        if not self.access["POST"].allows(caller):
            raise PermissionDenied
        parser = self.parser_classes[0]()
        body = parser.parse(request, parser_context={"view": self, "request": request})
        status, document, headers = self.post_fast(request, caller, body)
        return HttpResponse(
            JSONRenderer.encoder.encode(document),
            status=status,
            headers={**self._constant_headers(), **headers},
            content_type=JSONRenderer.media_type,
        )

    def _constant_headers(self) -> dict[str, str]:
        """Return the constant headers of this view from a cache; DRF computes them each time."""
        kind = type(self)
        if kind not in _constant:
            _constant[kind] = dict(cast("Any", self).default_response_headers)
        return _constant[kind]

    def _refuse(
        self, request: HttpRequest, error: Exception, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        view = cast("Any", self)
        view.args, view.kwargs = args, kwargs
        view.request = view.initialize_request(request, *args, **kwargs)
        view.headers = view.default_response_headers
        response = view.handle_exception(error)
        view.response = view.finalize_response(view.request, response, *args, **kwargs)
        answer: HttpResponse = view.response
        return answer


def _is_fast(request: HttpRequest) -> bool:
    """Return whether the request is a JSON POST with an API key that accepts JSON."""
    meta = request.META
    return (
        request.method == "POST"
        and meta.get("CONTENT_TYPE") == "application/json"
        and meta.get("CONTENT_LENGTH", "0") not in {"", "0"}
        and meta.get("HTTP_ACCEPT", "") in ANYTHING
        and not meta.get("QUERY_STRING")
        and has_key(request)
    )
