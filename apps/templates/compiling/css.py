"""Put the rules of style sheets into the elements, for mail clients that read no style sheets.

css-inline decides which rules apply to which element. It reads HTML as a browser does, which moves
the text between a table and its rows, so it gets the tags alone. The declarations that it finds are
written into the source, and not a byte of it is changed besides.

The style sheets stay, for the rules that only they can have: media queries and states such as
``:hover``.
"""

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

from apps.templates.compiling.branches import Branches, is_balanced, tag_name
from apps.templates.compiling.markup import VOID, Kind, Token, tokens
from apps.templates.compiling.masking import Masked, mask, unmask
from apps.templates.compiling.separate_process import Failed, Refused, compiled_by

# Characters of the HTML with its styles. A message may write a million in all.
LENGTH_MAX = 500_000
PROGRAM = """
import css_inline
def compiled(source):
    return css_inline.CSSInliner(load_remote_stylesheets=False).inline(source)
"""
# Rules that depend on what stands beside an element, which Liquid decides.
POSITIONAL = re.compile(r"[+~]|:(?:first|last|nth|only|empty|has)\b", re.IGNORECASE)
NEVER_KNOWN = re.compile(r":(?:empty|has)\b", re.IGNORECASE)
# Comments and strings.
NOT_CODE = re.compile(
    r"/\*.*?(?:\*/|\Z)"
    r"|\"(?:[^\"\\\n]|\\.)*+(?:[\"\n]|\\?\Z)|'(?:[^'\\\n]|\\.)*+(?:['\n]|\\?\Z)",
    re.DOTALL,
)
SEEN = re.compile(r"\s*(?:all|screen)?\s*", re.IGNORECASE)


class UnusableCss(Exception):  # noqa: N818 - the name says what happened; it is no program error.
    """The styles cannot be put into the elements; the message says why."""


@dataclass
class _Document:
    """The tags of a document, and its style sheets.

    Attributes:
        starts: The start tags of elements by their numbers.
        skeleton: The document as css-inline gets it: its tags, each with its number.
        sheets: The style sheets, masked.
        is_fixed: Whether Liquid decides nothing about the style sheets themselves.
    """

    key: str
    starts: dict[int, Token] = field(default_factory=dict)
    skeleton: list[str] = field(default_factory=list)
    sheets: list[str] = field(default_factory=list)
    is_fixed: bool = True
    branches: Branches = field(default_factory=Branches)
    dynamic: set[int] = field(default_factory=set)


def inlined(source: str, *, sheets: Sequence[str] | None = None) -> str:
    """Return HTML with the declarations of its style sheets in its elements.

    Elements whose class or id has Liquid are left alone with all that is in them, and so is the
    whole document if Liquid decides about a style sheet, or if there are blocks of Liquid and rules
    that depend on the order of elements: what is in an element would outweigh the style sheet.

    Args:
        source: The HTML. Its Liquid has been parsed without an error.
        sheets: Other style sheets to use; by default those of the HTML.

    Raises:
        UnusableCss: It is nested too deep, takes too long, or the result is too long.
    """
    if sheets is None and "<style" not in source.lower():
        return source
    # One mask for all, so that a placeholder in a style sheet is one of the document, too.
    border = f"<!--{secrets.token_hex(8)}-->"
    masked = mask(border.join([source, *(sheets or ())]))
    text, *given = masked.text.split(border)
    document = _read(text, masked, own_sheets=sheets is None)
    document.sheets += given
    if not _is_usable(document, masked):
        return source
    styles = _styles(document)
    written = unmask(_with_styles(text, document, styles), masked)
    if len(written) > LENGTH_MAX:
        raise UnusableCss(
            f"with its styles in its elements it has {len(written)} characters, and at most "
            f"{LENGTH_MAX} are possible"
        )
    return written


def _read(text: str, masked: Masked, *, own_sheets: bool) -> _Document:
    # An attribute that no document has.
    document = _Document(key=f"data-n{secrets.token_hex(6)}")
    sheet_counts = False
    for token in tokens(text):
        if token.kind in {Kind.TEXT, Kind.ASIDE}:
            document.branches.liquid(_words(token.text, masked))
        elif token.kind is Kind.RAW:
            if token.name == "style" and own_sheets and sheet_counts:
                words = list(_words(token.text, masked))
                if document.branches.depth or any(map(tag_name, words)):
                    document.is_fixed = False
                document.sheets.append(token.text)
            document.branches.liquid(_words(token.text, masked))
        elif token.name == "style":
            sheet_counts = token.kind is Kind.START and _is_inlined(token)
        else:
            _read_tag(document, token, masked)
    return document


def _is_inlined(token: Token) -> bool:
    """Return whether a style sheet is for screens, and not marked as one to be left alone."""
    ignored = token.value_of("data-css-inline") == "ignore"
    return not ignored and SEEN.fullmatch(token.value_of("media")) is not None


def _read_tag(document: _Document, token: Token, masked: Masked) -> None:
    number = len(document.starts) + 1
    document.branches.tag(token, number)
    words = list(_words(token.text, masked))
    if not is_balanced(words):
        document.branches.liquid(words)
    if token.kind is Kind.END:
        document.skeleton.append(f"</{token.name}>")
        return
    document.starts[number] = token
    attributes: list[str] = []
    for one in token.attributes:
        if masked.mark in one.name or (one.name in {"class", "id"} and masked.mark in one.value):
            document.dynamic.add(number)
        elif one.name != "style" and masked.mark not in one.value:
            quote = one.quote or '"'
            attributes.append(f" {one.name}={quote}{one.value}{quote}")
    document.skeleton.append(f"<{token.name} {document.key}={number}{''.join(attributes)}>")


def _words(text: str, masked: Masked) -> Iterator[str]:
    return (masked.words[int(found[1])] for found in masked.placeholder.finditer(text))


def _is_usable(document: _Document, masked: Masked) -> bool:
    """Return whether the same rules apply to an element whatever Liquid decides."""
    selectors = [one for sheet in document.sheets for one in _selectors(sheet)]
    if not selectors or not document.is_fixed:
        return False
    positional = POSITIONAL if document.branches.has_blocks else NEVER_KNOWN
    return not any(masked.mark in one or positional.search(one) for one in selectors)


def _selectors(sheet: str) -> Iterator[str]:
    """Yield the selectors of a style sheet that stand in no other block, such as a media query."""
    depth = begin = 0
    code = NOT_CODE.sub(" ", sheet)
    for found in re.finditer(r"[{};]", code):
        if found[0] == "{":
            if depth == 0 and not (selector := code[begin : found.start()].strip()).startswith("@"):
                yield selector
            depth += 1
        elif found[0] == "}":
            depth = max(depth - 1, 0)
        begin = found.end()


def _styles(document: _Document) -> dict[int, str]:
    """Return the declarations for each element, by its number."""
    # The end of a style element in a sheet is impossible: the element would have ended there.
    sheets = "".join(f"<style>{sheet}</style>" for sheet in document.sheets)
    try:
        compiled = compiled_by(PROGRAM, sheets + "".join(document.skeleton))
    except (Refused, Failed) as error:
        raise UnusableCss(str(error)) from None
    reader = _StyleReader(document.key, document.dynamic | document.branches.uncertain)
    reader.feed(compiled)
    reader.close()
    return reader.styles


class _StyleReader(HTMLParser):
    """Reads the styles of elements, except of those that are dynamic and of all in them.

    It reads what css-inline writes, in which every element is closed.
    """

    def __init__(self, key: str, dynamic: set[int]) -> None:
        super().__init__()
        self.styles: dict[int, str] = {}
        self._key = key
        self._dynamic = dynamic
        self._around: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the style of an element."""
        given = dict(attrs)
        number = int(given.get(self._key) or 0)
        is_dynamic = number in self._dynamic or any(self._around[-1:])
        style = (given.get("style") or "").strip()
        if number and style and not is_dynamic:
            self.styles[number] = style
        if tag not in VOID:
            self._around.append(is_dynamic)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        if tag not in VOID and self._around:
            self._around.pop()


def _with_styles(text: str, document: _Document, styles: dict[int, str]) -> str:
    """Write styles into a document, before those that its elements have."""
    pieces: list[str] = []
    position = 0
    for number, style in sorted(styles.items()):
        token = document.starts[number]
        before = style.rstrip(";").replace("&", "&amp;").replace("<", "&lt;") + ";"
        own = next((one for one in token.attributes if one.name == "style"), None)
        if own is None:
            place, after = token.name_end, ""
            written = ' style="' + before.replace('"', "&quot;") + '"'
        elif own.quote:
            place, after = own.begin, ""
            escaped = "&quot;" if own.quote == '"' else "&#39;"
            written = before.replace(own.quote, escaped)
        else:
            place, after = own.begin, own.value
            written = '"' + before.replace('"', "&quot;") + own.value + '"'
        pieces += [text[position:place], written]
        position = place + len(after)
    return "".join([*pieces, text[position:]])
