"""The request bodies as compiled validators: strict types, no unknown fields.

The OpenAPI document is generated from these classes.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from apps.common.rest.problems import Problem, invalid, pointer_to

REQUEST_ID_MAX_LENGTH = 255
BULK_MAX = 1000
# The maximum number of user ids in a broadcast. For more, a client uploads a file.
AUDIENCE_MAX = 10_000
# A schedule further in the future than this is more often a mistake than intended.
SCHEDULE_MAX = timedelta(days=366)

Text100 = Annotated[str, Meta(min_length=1, max_length=100)]
RequestId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=REQUEST_ID_MAX_LENGTH,
        # One character that is not blank, and no control character.
        pattern=r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$(?!\n)",
        description="The idempotency key, unique per client and kind of key.",
    ),
]
Time = Annotated[datetime, Meta(tz=True)]
# BCP 47, as far as the fallback chain needs it. In Python "$" also matches before a final line
# feed, which the lookahead excludes.
LANGUAGE_TAG = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$(?!\n)"
LanguageTag = Annotated[str, Meta(pattern=LANGUAGE_TAG, max_length=35)]


# One address without a name: RFC 5322, 3.4.1, as far as a typing mistake shows.
Mailbox = Annotated[
    str,
    Meta(
        pattern=r"^[^\s\x00-\x1f\x7f<>,;@]+@[^\s\x00-\x1f\x7f<>,;@]+$(?!\n)",
        max_length=320,
        description="E-mail: the address to which answers go.",
    ),
]


class Terms(Struct, kw_only=True, forbid_unknown_fields=True):
    """The content and times of a notification, without its recipients."""

    notification_type: Literal["email", "push"]
    template_code: Text100
    variables: dict[str, Any] = {}
    request_id: RequestId | None = None
    priority: Annotated[int, Meta(ge=0, le=9, description="9 is the most urgent.")] = 5
    metadata: dict[str, Any] = {}
    scheduled_for: Time | None = None
    expires_at: Time | None = None
    language: LanguageTag | None = None
    reply_to: Mailbox | None = None


AnyTerms = TypeVar("AnyTerms", bound=Terms)


class SendRequest(Terms, kw_only=True, forbid_unknown_fields=True):
    """One notification to one user."""

    user_id: UUID


class BulkSendRequest(SendRequest, kw_only=True, forbid_unknown_fields=True):
    """One notification of many. By default it has a lower priority than a single one."""

    priority: Annotated[int, Meta(ge=0, le=9, description="9 is the most urgent.")] = 1


class BulkRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Up to 1000 notifications. Each is validated independently."""

    notifications: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=BULK_MAX)]


class Audience(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The recipients of a broadcast. Exactly one of the fields is given."""

    user_ids: Annotated[list[UUID], Meta(min_length=1, max_length=AUDIENCE_MAX)] | None = None
    all: Annotated[
        bool | None, Meta(description="True: everybody, judged by their preferences.")
    ] = None
    category: Annotated[
        Text100 | None,
        Meta(description="Everybody who takes this category by the channel of the broadcast."),
    ] = None


class BroadcastRequest(Terms, kw_only=True, forbid_unknown_fields=True):
    """The same notification to many. By default it has a lower priority than a single one."""

    audience: Audience
    priority: Annotated[int, Meta(ge=0, le=9, description="9 is the most urgent.")] = 1

    def to(self, user_id: UUID) -> BulkSendRequest:
        """Build the request for one recipient. It has no key: the key belongs to the broadcast."""
        terms = {name: getattr(self, name) for name in Terms.__struct_fields__}
        return BulkSendRequest(**{**terms, "user_id": user_id, "request_id": None})


class ExplainRequest(SendRequest, kw_only=True, forbid_unknown_fields=True):
    """A notification to one user, to be explained and not sent."""

    content: Annotated[
        bool, Meta(description="Return what would be sent. It needs the scope `users:read`.")
    ] = False


# Java writes a time with zero seconds without them, which the decoder refuses.
WITHOUT_SECONDS = re.compile(r"(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2})([Zz]|[+-]\d{2}:\d{2})")
TIMES = ("scheduled_for", "expires_at")
Decoded = TypeVar("Decoded")


def with_seconds(values: Any) -> Any:
    """Complete the times of a decoded request that have no seconds."""
    if not isinstance(values, dict):
        return values
    given = {name: values[name] for name in TIMES if isinstance(values.get(name), str)}
    return {
        **values,
        **{name: WITHOUT_SECONDS.sub(r"\1:00\2", text, count=1) for name, text in given.items()},
    }


class RequestDecoder(Generic[Decoded]):
    """A decoder that also takes times without seconds, at a second try."""

    def __init__(self, kind: type[Decoded]) -> None:
        self._decoder = msgspec.json.Decoder(kind)

    def decode(self, raw: Any) -> Decoded:
        """Decode a request.

        Raises:
            msgspec.DecodeError: It is not valid.
        """
        try:
            return self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            try:
                values = msgspec.json.decode(raw)
            except msgspec.DecodeError:
                raise error from None
            completed = with_seconds(values)
            if completed == values:
                raise
        return self._decoder.decode(msgspec.json.encode(completed))


def row_of(values: dict[str, Any], *, strict: bool) -> "BulkSendRequest":
    """Build the request of one row of a file.

    Args:
        values: The values by field.
        strict: Whether a text is refused where another type is expected.

    Raises:
        msgspec.ValidationError: A value is not valid.
    """
    try:
        return msgspec.convert(values, BulkSendRequest, strict=strict)
    except msgspec.ValidationError:
        completed = with_seconds(values)
        if completed == values:
            raise
    return msgspec.convert(completed, BulkSendRequest, strict=strict)


send_decoder = RequestDecoder(SendRequest)
bulk_decoder = msgspec.json.Decoder(BulkRequest)
broadcast_decoder = RequestDecoder(BroadcastRequest)
explain_decoder = RequestDecoder(ExplainRequest)
bulk_row_decoder = RequestDecoder(BulkSendRequest)

# What a pattern means, by field.
EXPECTED = {
    "request_id": "printable characters that are not all blank",
    "reply_to": "one address without a name, such as help@example.com",
    "language": "a language tag (BCP 47) such as en or pt-BR",
}
_PLACE = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")
_NAMED_FIELD = re.compile(r"(?:unknown|required) field `(?P<name>[^`]*)`")


def as_problem(error: msgspec.ValidationError) -> Problem:
    """Convert the decoder's error into a 400 with a JSON pointer to the invalid value."""
    text = str(error)
    place = _PLACE.search(text)
    steps: list[str] = []
    if place is not None:
        steps = [
            step["name"] or step["index"]
            for step in _STEP.finditer(place["path"])
            if step["index"] != "..."
        ]
        text = text[: place.start()]
    if "matching regex" in text and steps and steps[-1] in EXPECTED:
        text = f"Expected {EXPECTED[steps[-1]]}"
    field = _NAMED_FIELD.search(text)
    code = "invalid"
    if field is not None:
        steps.append(field["name"])
        code = "unknown_field" if "unknown" in text else "required"
    return invalid(pointer_to(*steps), code, f"{text}.")


def with_utc_times(request: AnyTerms) -> AnyTerms:
    """Convert the times to UTC.

    Raises:
        Problem: 400 for a time that is outside the calendar's range in UTC.
    """
    if request.scheduled_for is None and request.expires_at is None:
        return request
    times: dict[str, datetime | None] = {}
    for name in ("scheduled_for", "expires_at"):
        given: datetime | None = getattr(request, name)
        try:
            times[name] = given and given.astimezone(UTC)
        except OverflowError:
            raise invalid(pointer_to(name), "out_of_range", "Expected a real date.") from None
    return msgspec.structs.replace(request, **times)


def normalised(request: SendRequest, *, now: datetime) -> SendRequest:
    """Convert the times to UTC and refuse a schedule that is too far in the future.

    Raises:
        Problem: 400 for a time that cannot be stored, or is too far in the future.
    """
    asked = with_utc_times(request)
    if asked.scheduled_for is not None and asked.scheduled_for > now + SCHEDULE_MAX:
        detail = f"Expected a time within {SCHEDULE_MAX.days} days."
        raise invalid("/scheduled_for", "out_of_range", detail)
    return asked
