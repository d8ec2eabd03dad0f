"""A shorter way to the answer of the call that programs make most."""

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
    """Mixin for API views: a program's POST is answered without the framework's own objects.

    The same authentication, access table, parser and problems, in the same order; only the
    request, the answer and the negotiation between formats of the REST framework are left out, a
    fifth of what a call costs. Whatever is not plainly a program's, such as a browser, a person's
    token or another media type, takes the usual way, and so does every refusal.

    Subclasses write ``post_fast``. The first of their authentication classes recognises keys and
    needs no more than Django's request.
    """

    access: ClassVar[Mapping[str, Access]]
    parser_classes: Any
    authentication_classes: Any

    @abstractmethod
    def post_fast(
        self, request: HttpRequest, caller: Caller, body: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Return the status, the document and further headers of the answer.

        Raises:
            Problem: As the view's ``post``.
        """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer, by the shorter way where the call allows it."""
        framework = cast("Any", super())
        if not _is_brief(request):
            usual: HttpResponse = framework.dispatch(request, *args, **kwargs)
            return usual
        try:
            return self._answer(request)
        except Exception as error:  # noqa: BLE001 - as the framework's own dispatch does.
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
        """Return what every answer of this view says; the framework works it out each time."""
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


def _is_brief(request: HttpRequest) -> bool:
    """Tell whether a program sends JSON with a key and takes JSON."""
    meta = request.META
    return (
        request.method == "POST"
        and meta.get("CONTENT_TYPE") == "application/json"
        and meta.get("CONTENT_LENGTH", "0") not in {"", "0"}
        and meta.get("HTTP_ACCEPT", "") in ANYTHING
        and not meta.get("QUERY_STRING")
        and has_key(request)
    )
