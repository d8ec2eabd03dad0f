"""The content fields of each channel: check them before saving, parse them for rendering."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.common.channels import Channel
from apps.common.rest.problems import FieldError, Problem, pointer_to
from apps.templates.compiling.css import UnusableCss, inlined
from apps.templates.compiling.mjml import MjmlError, compile_mjml, is_mjml, refuse_mistakes
from apps.templates.compiling.plain_text import text_of
from apps.templates.engine.limits import WORK_LIMIT
from apps.templates.engine.syntax import Parsed, TemplateSyntaxError, parse, problem_at
from apps.templates.links import is_app_address, is_web_address
from apps.templates.options import OPTIONS, Check

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
DATA_KEYS_LIMIT = 50
DATA_KEY_LENGTH = 100
# Our own keys, and those that FCM reserves:
# https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages#Message.FIELDS.data
RESERVED_DATA_KEYS = {
    "notification_id": "The notification's id is sent under this key.",
    "correlation_id": "The correlation id is sent under this key.",
    "receipt": "What the app sends back when a push has arrived is sent under this key.",
    "from": "FCM reserves this key.",
    "message_type": "FCM reserves this key.",
}
RESERVED_DATA_PREFIXES = ("google.", "gcm.")
# The objects that every template has; see ``rendering.reserved_of``.
RESERVED_NAMES = frozenset({"recipient", "unsubscribe_url"})


@dataclass(frozen=True, kw_only=True)
class Field:
    """The rules of one field.

    Attributes:
        length: Maximum number of characters of the source.
        required: Whether the field must be given.
        one_line: Whether the field is used in a header or a title, so that line breaks and control
            characters are refused.
        html: Whether values are escaped for HTML.
    """

    length: int
    required: bool = False
    one_line: bool = False
    html: bool = False


FIELDS: Mapping[str, Mapping[str, Field]] = {
    Channel.EMAIL: {
        "subject": Field(length=998, required=True, one_line=True),
        "body": Field(length=250_000, required=True),
        "html": Field(length=250_000, html=True),
        "from_name": Field(length=200, one_line=True),
    },
    Channel.PUSH: {
        "title": Field(length=500, required=True, one_line=True),
        "body": Field(length=4_000, required=True),
        "image": Field(length=2_000, one_line=True),
        "link": Field(length=2_000, one_line=True),
        "collapse_id": Field(length=500, one_line=True),
    },
}
# All fields of both channels, in the order of forms and responses.
CONTENT_FIELDS = (
    "subject",
    "title",
    "body",
    "html",
    "image",
    "link",
    "data",
    "from_name",
    "reply_to",
    "sound",
    "badge",
    "channel_id",
    "silent",
    "ttl_seconds",
    "collapse_id",
)
# What a push that shows nothing needs no more.
NOT_SILENT = frozenset({"title", "body"})
# The one-line texts that must not be empty. What may render to nothing is rendered at intake.
NEVER_EMPTY = frozenset({"subject", "title"})
# The addresses of a push. A constant one is checked when it is saved.
LINKS: Mapping[str, Callable[[str], bool]] = {"image": is_web_address, "link": is_app_address}
LINK_PROBLEMS = {
    "image": "Expected an absolute http or https address.",
    "link": "Expected an absolute address: https://…, or with an app's own scheme.",
}
DATA_VALUE = Field(length=4_000)
# The key of the HTML compiled from MJML, or with its styles in its elements; the source stays in
# ``html``.
COMPILED_HTML = "html_compiled"
# The key that says that ``body`` was made from the HTML, because none was given.
TEXT_FROM_HTML = "body_from_html"


@dataclass(frozen=True, kw_only=True)
class CheckedContent:
    """Valid content that can be saved.

    Attributes:
        stored: The content to store in the version.
        required: The required variables, as dotted paths.
        used: The names of all variables that are used.
        checked_at_intake: The fields that are rendered when a notification is requested, because
            what they render to may be nothing, or no address.
    """

    stored: dict[str, Any]
    required: list[str]
    used: list[str]
    checked_at_intake: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedContent:
    """All fields of a version, ready to render."""

    channel: str
    fields: Mapping[str, Parsed]
    data: Mapping[str, Parsed]
    options: Mapping[str, Any]
    text_from_html: bool = False


def check(channel: str, given: Mapping[str, Any]) -> CheckedContent:
    """Check the content fields of a request, a form or a file.

    Args:
        channel: The channel of the template.
        given: The content by field name; None counts as not given.

    Raises:
        Problem: 400 with all errors of all fields; ``template_syntax`` details begin with line and
            column, counted from 1.
    """
    checker = _Checker(channel)
    checker.check(given)
    if checker.errors:
        raise Problem(400, "The request is not valid.", code="invalid", errors=checker.errors)
    parsed = checker.parsed
    required = {path for one in parsed for path in one.required}
    return CheckedContent(
        stored=checker.stored,
        required=sorted(path for path in required if path.split(".")[0] not in RESERVED_NAMES),
        used=sorted({name for one in parsed for name in one.used}),
        checked_at_intake=sorted(checker.uncertain),
    )


class _Checker:
    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.errors: list[FieldError] = []
        self.stored: dict[str, Any] = {}
        self.parsed: list[Parsed] = []
        self.uncertain: set[str] = set()

    def check(self, given: Mapping[str, Any]) -> None:
        rules = FIELDS[self.channel]
        known = {*rules, *OPTIONS[self.channel]}
        known |= {"data"} if self.channel == Channel.PUSH else set()
        silent = given.get("silent") is True
        html = given.get("html")
        for name, value in given.items():
            if value is not None and name not in known:
                detail = f"A template for {self.channel} has no such field."
                self._refuse(detail, "unknown_field", name)
        for name, rule in rules.items():
            is_optional = (silent and name in NOT_SILENT) or (name == "body" and _is_text(html))
            if not (is_optional and given.get(name) in {None, ""}):
                self._field(rule, given.get(name), name)
        for name, problem_with in OPTIONS[self.channel].items():
            self._option(given.get(name), problem_with, name)
        if self.channel == Channel.PUSH and given.get("data"):
            self._data(given["data"])
        if "html" in self.stored and "body" not in self.stored and not self.errors:
            self._text_from_html()

    def _field(self, rule: Field, value: Any, *steps: str) -> bool:
        if value is None or (isinstance(value, str) and not value.strip()):
            if rule.required:
                code = "required" if value is None else "blank"
                self._refuse("This field is required and cannot be blank.", code, *steps)
            return False
        if not isinstance(value, str):
            self._refuse("Expected a string.", "not_a_string", *steps)
        elif len(value) > rule.length:
            self._refuse(f"At most {rule.length} characters.", "max_length", *steps)
        elif rule.one_line and CONTROL_CHARACTER.search(value):
            detail = "Line breaks and control characters are not allowed here."
            self._refuse(detail, "control_character", *steps)
        else:
            self._source(value, rule, *steps)
            if len(steps) == 1:
                self.stored[steps[0]] = value
            return True
        return False

    def _option(self, value: Any, problem_with: Check, name: str) -> None:
        if value is None or value == "":
            return
        problem = problem_with(value)
        if problem is not None:
            self._refuse(problem, "invalid_option", name)
        else:
            self.stored[name] = value

    def _outcome(self, name: str, parsed: Parsed) -> None:
        """Check what a field renders to, if that is known, or let it be checked at intake."""
        if name in NEVER_EMPTY and parsed.may_be_empty:
            self.uncertain.add(name)
        if name not in LINKS:
            return
        if parsed.constant is None:
            self.uncertain.add(name)
        elif not LINKS[name](parsed.constant.strip()):
            self._refuse(LINK_PROBLEMS[name], "invalid_address", name)

    def _source(self, source: str, rule: Field, *steps: str) -> None:
        try:
            parsed = parse(source, html=rule.html)
            refused = parsed.refused
            if rule.html:
                refuse_mistakes(source)
            compiled = _compiled(source) if rule.html else source
            if compiled != source:
                parsed = parse(compiled, html=True)
                # The HTML decides. If the source has errors too, report its line numbers, which
                # the author knows.
                refused = refused if parsed.refused and refused else parsed.refused
                self.stored[COMPILED_HTML] = compiled
            for problem in refused:
                self._refuse(str(problem), "template_syntax", *steps)
            self.parsed.append(parsed)
            if len(steps) == 1:
                self._outcome(steps[0], parsed)
            # All fields of a message share one work limit.
            if sum(one.cost for one in self.parsed) > WORK_LIMIT:
                detail = "Together with the fields before, this is more work than a message may do."
                self._refuse(detail, "template_costly", *steps)
        except TemplateSyntaxError as error:
            for problem in error.problems:
                self._refuse(str(problem), "template_syntax", *steps)
        except MjmlError as error:
            detail = str(error)
            if error.index is not None:
                detail = str(problem_at(source, error.index, detail))
            self._refuse(detail, "template_syntax", *steps)

    def _text_from_html(self) -> None:
        """Store the text that the HTML says, so that every mail has one."""
        source = text_of(self.stored.get(COMPILED_HTML, self.stored["html"]))
        self._source(source, FIELDS[Channel.EMAIL]["body"], "body")
        self.stored |= {"body": source, TEXT_FROM_HTML: True}

    def _data(self, data: Any) -> None:
        if not isinstance(data, Mapping):
            self._refuse("Expected an object of strings.", "not_an_object", "data")
            return
        if len(data) > DATA_KEYS_LIMIT:
            self._refuse(f"At most {DATA_KEYS_LIMIT} keys.", "max_length", "data")
            return
        for key, value in data.items():
            if not key or len(key) > DATA_KEY_LENGTH or CONTROL_CHARACTER.search(key):
                detail = f"A key has 1 to {DATA_KEY_LENGTH} characters, no control characters."
                self._refuse(detail, "invalid_key", "data", key)
            elif reserved := _reserved(key):
                self._refuse(reserved, "reserved_key", "data", key)
            elif value == "" or self._field(DATA_VALUE, value, "data", key):
                self.stored.setdefault("data", {})[key] = value
            elif value is None:
                self._refuse("Expected a string.", "not_a_string", "data", key)

    def _refuse(self, detail: str, code: str, *steps: str) -> None:
        self.errors.append(FieldError(pointer=pointer_to(*steps), code=code, detail=detail))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _compiled(source: str) -> str:
    """Return the HTML that is sent for a source.

    Raises:
        MjmlError: It is MJML that does not compile.
        TemplateSyntaxError: Its styles cannot be put into its elements.
    """
    if is_mjml(source):
        return compile_mjml(source)
    try:
        return inlined(source)
    except UnusableCss as error:
        index = source.lower().find("<style")
        raise TemplateSyntaxError([problem_at(source, index, f"CSS: {error}")]) from None


def _reserved(key: str) -> str | None:
    """Return why a key of the data cannot be used; None if it can."""
    if key in RESERVED_DATA_KEYS:
        return RESERVED_DATA_KEYS[key]
    for prefix in RESERVED_DATA_PREFIXES:
        if key.startswith(prefix):
            return f"FCM reserves the keys that begin with {prefix!r}."
    return None


def written(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored fields that an author wrote, without what was made of them."""
    made = {COMPILED_HTML, TEXT_FROM_HTML}
    made |= {"body"} if TEXT_FROM_HTML in content else set()
    return {name: value for name, value in content.items() if name not in made}


def sources(content: Mapping[str, Any], channel: str) -> Iterator[tuple[str, str, bool]]:
    """Yield name, source and whether it is HTML, for each stored field that is rendered."""
    for name, rule in FIELDS[channel].items():
        stored = COMPILED_HTML if name == "html" and COMPILED_HTML in content else name
        if stored in content:
            yield name, content[stored], rule.html


def parse_stored(channel: str, content: Mapping[str, Any], *, engine: int) -> ParsedContent:
    """Parse the content of a saved version, by the rules of the engine that it was saved for.

    Raises:
        TemplateSyntaxError: The version was saved under older rules and is no longer valid.
    """
    return ParsedContent(
        channel=channel,
        fields={
            name: parse(text, html=html, engine=engine)
            for name, text, html in sources(content, channel)
        },
        data={key: parse(text, engine=engine) for key, text in content.get("data", {}).items()},
        options={name: content[name] for name in OPTIONS[channel] if name in content},
        text_from_html=content.get(TEXT_FROM_HTML, False),
    )
