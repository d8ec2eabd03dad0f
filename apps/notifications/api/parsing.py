"""Parsers that decode a body directly into the compiled request classes."""

from collections.abc import Mapping
from typing import IO, Any, ClassVar, TypeVar

import msgspec
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from apps.common.rest.parsers import BodyDecoder, StrictJSONParser, decode, read_bounded
from apps.notifications.intake import requests

Body = TypeVar("Body", bound=msgspec.Struct)


def body_as(expected: type[Body], request: Request) -> Body:
    """Return the decoded body.

    Raises:
        ParseError: The body is empty; the REST framework calls no parser for an empty body.
    """
    if not isinstance(request.data, expected):
        raise ParseError("The body is empty.", code="malformed_json")
    return request.data


class SendRequestParser(StrictJSONParser):
    """Decodes one request. Subclasses set another decoder."""

    decoder: ClassVar[BodyDecoder] = requests.send_decoder

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the request.

        Raises:
            Problem: 400 with a pointer, or 413.
        """
        try:
            return decode(read_bounded(stream, parser_context or {}), self.decoder)
        except msgspec.ValidationError as error:
            raise requests.as_problem(error) from None


class BulkRequestParser(SendRequestParser):
    """Decodes the list of a bulk call. Its rows are decoded later, one by one."""

    decoder = requests.bulk_decoder


class _ExplainDecoder:
    """Decodes what is to be explained: a broadcast if it names an audience, else one request."""

    def decode(self, raw: bytes) -> Any:
        """Decode a body.

        Raises:
            msgspec.DecodeError: It is not valid.
        """
        values = msgspec.json.decode(raw)
        is_broadcast = isinstance(values, dict) and "audience" in values
        decoder = requests.broadcast_decoder if is_broadcast else requests.explain_decoder
        return decoder.decode(raw)


class ExplainRequestParser(SendRequestParser):
    """Decodes a request or a broadcast that is to be explained."""

    decoder = _ExplainDecoder()


class BroadcastRequestParser(SendRequestParser):
    """Decodes a broadcast."""

    decoder = requests.broadcast_decoder
