"""The HTML tokenizer knows its state at the end of a text, however the text is split."""

import time
from html.parser import HTMLParser

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given, settings

from apps.templates.engine.html_tokenizer import follow, values
from apps.templates.engine.limits import Meter
from apps.templates.engine.places import START, Mode, Place, ValueKind
from apps.templates.engine.syntax import TemplateSyntaxError, parse
from tests.templates.links import schemes_of

PIECES = [
    "<a ",
    "<p",
    "<meta ",
    "</p>",
    "</",
    "<",
    ">",
    "/>",
    " href",
    "title",
    " style",
    "=",
    " = ",
    '"',
    "'",
    "x",
    " ",
    "\n",
    "/",
    "<!--",
    "-->",
    "--",
    "<!-",
    "<!doctype html>",
    "<?x",
    "<!--[if mso]>",
    "<![endif]-->",
    "<script>",
    "</script>",
    "<style>",
    "</style",
    "&amp;",
    "é",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def ends(text: str) -> set[Place]:
    return set(follow(START, text)[0])


@given(TEXTS, st.data())
@settings(max_examples=500, deadline=None)
def test_the_place_does_not_depend_on_where_a_text_is_split(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    parted: set[Place] = set()
    middle, before = follow(START, text[:cut])
    events = {(at, event.name) for at, event in before}
    for place in middle:
        last, after = follow(place, text[cut:])
        parted |= last
        events |= {(at + cut, event.name) for at, event in after}
    assert parted == ends(text)
    once = {(at, event.name) for at, event in follow(START, text)[1]}
    # An empty value has no events unless it is split. The end of a style shows at its closing mark.
    differing = {(at, name) for at, name in events ^ once if (at, "START") not in events}
    assert not differing or "<style" in text


class Places(HTMLParser):
    """Finds, with the standard library's parser, the attribute whose value contains a word."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {(tag, name) for name, value in attrs if "WORD" in (value or "")}


ATTRIBUTES = st.sampled_from(
    ['title="a>b"', "alt='\"'", "class=x", "hidden", 'href = "y"', 'data-x="<p>"', "id='a b'"]
)
OUTER = st.sampled_from(
    ["", "<p>x</p>", '<!-- <a href=" -->', "<br/>", "a < b", "<script>'<a '</script>"]
)
NAMES = st.sampled_from(["href", "title", "SRC", "xlink:href", "style", "data-x"])


@given(OUTER, st.lists(ATTRIBUTES, max_size=3), NAMES, st.sampled_from("\"'"))
@settings(max_examples=300, deadline=None)
def test_it_finds_the_same_attribute_as_the_html_parser(
    outer: str, attributes: list[str], name: str, quote: str
) -> None:
    before = f"{outer}<A {' '.join(attributes)} {name}={quote}"
    (place,) = ends(before)
    document = f"{before}WORD{quote}>"
    assert {(place.tag, place.attribute)} == Places(document).found
    assert place.mode in {Mode.DOUBLE, Mode.SINGLE}
    values_of = [document[start:end] for start, end, kind in values(document)]
    assert values_of[-1] == "WORD"


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("a < b", Mode.TEXT),
        ("a <", Mode.TAG_OPEN),
        ("<1", Mode.TEXT),
        ("<p", Mode.TAG_NAME),
        ("<p ", Mode.IN_TAG),
        ("<p/", Mode.IN_TAG),
        ("<p a", Mode.ATTRIBUTE_NAME),
        ("<p =", Mode.ATTRIBUTE_NAME),
        ("<p a ", Mode.AFTER_NAME),
        ("<p a=", Mode.BEFORE_VALUE),
        ("<p a = ", Mode.BEFORE_VALUE),
        ("<p a='", Mode.SINGLE),
        ('<p a="', Mode.DOUBLE),
        ("<p a=b", Mode.UNQUOTED),
        ("<p a=b/", Mode.UNQUOTED),
        ("<p a=b>", Mode.TEXT),
        ("<p a=>", Mode.TEXT),
        ('<p a="b"', Mode.IN_TAG),
        ("</p", Mode.TAG_NAME),
        ("</>", Mode.TEXT),
        ("</ ", Mode.BOGUS),
        ("<!x", Mode.BOGUS),
        ("<?x", Mode.BOGUS),
        ("<!--", Mode.COMMENT_START),
        ("<!-->", Mode.TEXT),
        ("<!--->", Mode.TEXT),
        ("<!-- -->", Mode.TEXT),
        ("<!-- --!>", Mode.TEXT),
        ("<!-- -- >", Mode.COMMENT),
        ("<!---->", Mode.TEXT),
        ("<script>a<b", Mode.RAW),
        ("<script></scrip", Mode.RAW),
        ("<script></scriptx>", Mode.RAW),
        ("<script></SCRIPT >", Mode.TEXT),
        ("<script></script", Mode.RAW),
        ("<script/>", Mode.RAW),
    ],
)
def test_each_text_ends_in_its_tokenizer_state(text: str, mode: Mode) -> None:
    assert {place.mode for place in ends(text)} == {mode}


def test_a_conditional_comment_is_parsed_both_ways() -> None:
    assert {place.mode for place in ends("<!--[if mso]><a href='")} == {Mode.COMMENT, Mode.SINGLE}
    assert {place.mode for place in ends("<!--[if mso]><a><![endif]-->")} == {Mode.TEXT}
    assert {place.mode for place in ends("<!--[if !mso]><!--><a>")} == {Mode.TEXT}


KINDS = [
    ("a", "href", ValueKind.ADDRESS),
    ("svg", "xlink:href", ValueKind.ADDRESS),
    ("a", "hrefx", ValueKind.PLAIN),
    ("a", "data-href", ValueKind.PLAIN),
    ("a", "?", ValueKind.ADDRESS),
    ("img", "srcset", ValueKind.ADDRESSES),
    ("p", "style", ValueKind.CSS),
    ("p", "onclick", ValueKind.SCRIPT),
    ("meta", "content", ValueKind.REFRESH),
    ("p", "content", ValueKind.PLAIN),
    ("animate", "values", ValueKind.ADDRESS),
    ("animatemotion", "from", ValueKind.ADDRESS),
    ("p", "to", ValueKind.PLAIN),
]


@pytest.mark.parametrize(("tag", "attribute", "kind"), KINDS)
def test_the_name_of_an_attribute_determines_the_kind_of_its_value(
    tag: str, attribute: str, kind: ValueKind
) -> None:
    assert Place(Mode.DOUBLE, tag=tag, attribute=attribute).kind is kind


TEXT_PARTS = st.sampled_from(
    [
        "<p>",
        "<a href='",
        '<a href="',
        "<a title='",
        "<a href=",
        '<meta http-equiv="refresh" content="',
        "'>",
        '">',
        ">",
        " ",
        "java",
        ":",
        "/",
        "<!--",
        "-->",
        "{{ a }}",
        "{{ a }}",
        "{{ b }}",
        "{% cycle a, b %}",
        "{{ x }}",
        "{% break %}",
    ]
)


def joined(parts: list[str]) -> str:
    return "".join(parts)


def blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, max_size=4).map(joined)
    return st.one_of(
        several,
        several.map("{{% if c %}}{}{{% endif %}}".format),
        st.tuples(several, several).map(
            lambda two: f"{{% if c %}}{two[0]}{{% else %}}{two[1]}{{% endif %}}"
        ),
        several.map("{{% for i in l %}}{}{{{{ i }}}}{{% endfor %}}".format),
        several.map("{{% capture x %}}{}{{% endcapture %}}".format),
        several.map("{{% case c %}}{{% when true %}}{}{{% endcase %}}".format),
    )


SOURCES = st.lists(st.recursive(TEXT_PARTS, blocks, max_leaves=8), max_size=6).map(joined)
SAID = st.sampled_from(["", "java", "script:x", "javascript:x", " href=javascript:x", ":x"])
CASES = given(source=SOURCES, one=SAID, other=SAID, truth=st.booleans())
MANY = settings(max_examples=300, deadline=None)


def links(source: str, one: str, other: str, *, truth: bool) -> set[str]:
    variables = {"a": one, "b": other, "c": truth, "l": [one, other]}
    document = parse(source, html=True).render(variables, Meter())
    # The standard library's parser reads an unterminated comment; browsers do not.
    return schemes_of(f"{document}-->")


def refused_by_the_parser(source: str) -> bool:
    """Return whether the template parser refuses the source, for whatever reason."""
    try:
        parse(source, html=True)
    except TemplateSyntaxError:
        return True
    return False


@CASES
@MANY
def test_no_template_makes_a_link_with_a_forbidden_scheme(
    source: str,
    one: str,
    other: str,
    truth: bool,  # noqa: FBT001 - a parameter.
) -> None:
    """This includes templates saved before outputs were refused in some places."""
    assume(not refused_by_the_parser(source))
    assert "javascript" not in links(source, one, other, truth=truth)


def test_many_conditional_comments_take_linear_time() -> None:
    text = "<!--[if mso]><table><![endif]--><p>x</p>" * 2_000
    assert ends(text) == {START}
    assert ends(f"{text}<a href='") == {Place(Mode.SINGLE, tag="a", attribute="href")}


BUSY = {
    "links": '<a href="{{ a }}">x</a>' * 8_000,
    "parted links": '<a href="{{ a }}{{ a }}">x</a>' * 6_000,
    "names": "<a x{{ a }}" + "x{{ a }}" * 10_000,
    "tags without quotes": "{{ a }}" + "<a x=y>" * 35_000,
    "attributes": "{{ a }}<a " + 'x="y" ' * 40_000,
    "open quotes": "{{ a }}" + '<a b="' * 40_000,
    "brackets": "{{ a }}" + "<" * 240_000,
    "conditions": "{{ a }}" + "<!--[if x]>" * 20_000,
    "conditional comments": "<!--[if mso]><td>{{ a }}<![endif]-->" * 6_000,
    "styles": "{{ a }}" + "<style>" * 35_000,
    "ends of styles": "<style>" + "</styl{{ a }}" * 10_000,
    "branches": "{% if a %}<a href='{% else %}<a title='{% endif %}{{ a }}" * 3_000,
    "deep loops": "{% for a in b %}<p {{ a }}{% if a %}x='{% else %}y={% endif %}" * 7
    + "{% endfor %}" * 7,
    "cases": "{% case a %}" + "{% when 1 %}<a href='{{ a }}" * 3_000 + "{% endcase %}",
    "leaving loops": "{% for a in b %}<a href='{% if a %}{% break %}{% endif %}{{ a }}{% endfor %}"
    * 2_000,
}


@pytest.mark.parametrize("name", BUSY)
def test_a_source_that_is_expensive_to_tokenize_is_parsed_in_seconds(name: str) -> None:
    # On the machine this was written on, each takes 1.2 s at most, most of them less than 0.1 s.
    began = time.process_time()
    parse(BUSY[name], html=True)
    assert time.process_time() - began < 6
