"""Compile MJML to HTML when a template is saved, without changing the Liquid inside it.

The compiler does not support Liquid, so each tag and output is replaced by a placeholder word. The
compiler runs in a separate process: on a tree that is some thousand levels deep its stack overflows
and its process crashes.
"""

import re
from collections.abc import Sequence

from apps.templates.compiling.css import UnusableCss, inlined
from apps.templates.compiling.masking import LIQUID, Masked, mask, unmask
from apps.templates.compiling.mjml_rules import mistakes, stray
from apps.templates.compiling.separate_process import Failed, Refused, compiled_by
from apps.templates.engine.syntax import TemplateSyntaxError, problem_at

# What may stand before the document, besides Liquid and comments.
SPACE = re.compile(r"\s*(?:<\?xml[^<>]*>\s*)?", re.IGNORECASE)
ROOT = re.compile(r"<(mjml|mj-body|mj-head)(?=[\s>])", re.IGNORECASE)
# Blocks of Liquid whose text is not printed where they stand.
BLOCK = re.compile(r"\{%-?\s*(comment|capture)\b")
END_OF_BLOCK = {
    name: re.compile(rf"\{{%-?\s*end{name}\s*-?%\}}") for name in ("comment", "capture")
}
MJML_END = re.compile(r"</mjml\s*>", re.IGNORECASE)
ELEMENT_NAME = re.compile(r"(?<=<)/?mj[a-z-]*", re.IGNORECASE)
# What a client loads by itself. A link is followed only by a reader.
LOADED = re.compile(
    r"\s(?:src|background)=\"(https?://[^\"/]+)|<link\s[^>]*?href=\"(https?://[^\"/]+)"
    r"|url\(\s*['\"]?(https?://[^'\"/)]+)",
    re.IGNORECASE,
)
# Elements whose pictures come from hosts of MJML's makers, and what says where ours are.
PICTURES = {
    "mj-social-element": "src",
    "mj-accordion": "icon-wrapped-url and icon-unwrapped-url",
    "mj-carousel": "left-icon and right-icon",
}
ELEMENT = re.compile(r"<(?P<closing>/?)(?P<name>mj[a-z-]*)|(?P<end>/?>)")
# Elements that may only have elements as children; a placeholder there must be an element, too.
STRUCTURAL = frozenset(
    {
        "mj-body",
        "mj-column",
        "mj-group",
        "mj-hero",
        "mj-section",
        "mj-wrapper",
    }
)
PLACE = re.compile(r"(?:at )?position (\d+)(?::(\d+))?")
# Styles that are put into the elements. The compiler would do it by rewriting its HTML as a
# browser reads it, and a browser moves the text between a table and its rows out of the table: a
# loop around rows would be left empty.
INLINE_STYLE = re.compile(
    r"<mj-style(?=\s)(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*?\sinline\s*=\s*([\"'])inline\1"
    r"(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*>(?P<css>[^<]*)</mj-style\s*>"
)
# What is left of it in the HTML, once its rules are taken out.
EMPTY_STYLE = re.compile(r"<style[^<>]*>\s*</style>")
COMPILER = """
import mrml
def compiled(source):
    options = mrml.ParserOptions(include_loader=mrml.noop_loader())
    rendering = mrml.RenderOptions(disable_comments=False, fonts={})
    return mrml.to_html(source, options, rendering).content
"""


class MjmlError(Exception):
    """The source does not compile.

    Attributes:
        index: The index in the source, if the compiler reports a position; else None.
    """

    def __init__(self, message: str, *, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


def is_mjml(source: str) -> bool:
    """Return whether the first element of a source is ``mjml``, or its body without it.

    Liquid and comments may stand before it, and upper case is taken.
    """
    return _root(source, 0) is not None


def _root(source: str, position: int) -> re.Match[str] | None:
    """Find the first element of a document, if only Liquid and comments stand before it."""
    while True:
        spaces = SPACE.match(source, position)
        position = spaces.end() if spaces else position
        if source.startswith("<!--", position):
            end = source.find("-->", position)
            if end < 0:
                return None
            position = end + len("-->")
        elif liquid := LIQUID.match(source, position):
            block = BLOCK.match(liquid[0])
            ending = block and END_OF_BLOCK[block[1]].search(source, liquid.end())
            position = ending.end() if ending else liquid.end()
        else:
            return ROOT.match(source, position)


def refuse_mistakes(source: str) -> None:
    """Refuse elements and attributes that MJML does not have; in HTML refuse all its elements.

    Raises:
        TemplateSyntaxError: There are some; it contains all of them.
    """
    masked = _masked(source)
    if is_mjml(source):
        found = list(mistakes(masked.text, mark=masked.mark))
    else:
        found = [one for one in (stray(masked.text),) if one is not None]
    if found:
        raise TemplateSyntaxError(
            problem_at(source, masked.index_of(one.index), f"MJML: {one.message}") for one in found
        )


def compile_mjml(source: str) -> str:
    """Compile MJML to HTML that still contains the Liquid of the source. Includes are refused.

    Args:
        source: One or more documents, such as one in each branch of a condition, with Liquid
            around them. A body without ``mjml`` is a document, too.

    Raises:
        MjmlError: The source is not valid MJML, has an include, loads something of another host
            that it does not name, or takes too long to compile.
    """
    pieces: list[str] = []
    position = 0
    while found := _root(source, position):
        wrapped = found[1].lower() != "mjml"
        closing = None if wrapped else MJML_END.search(source, found.end())
        # If it is not closed, the compiler says where.
        end = closing.end() if closing else len(source)
        pieces += [source[position : found.start()]]
        pieces += [_document(source, found.start(), end, wrapped=wrapped)]
        position = end
    return "".join([*pieces, source[position:]])


def _document(source: str, begin: int, end: int, *, wrapped: bool) -> str:
    """Compile one document of a source; ``wrapped`` if the element ``mjml`` is missing."""
    text = ELEMENT_NAME.sub(lambda found: found[0].lower(), source[begin:end])
    try:
        compiled = _compiled(f"<mjml>{text}</mjml>" if wrapped else text)
    except MjmlError as error:
        if error.index is not None:
            error.index += begin - (len("<mjml>") if wrapped else 0)
        raise
    for found in LOADED.finditer(compiled):
        host = found[1] or found[2] or found[3]
        if host not in source:
            raise _foreign(source, host)
    return compiled


def _foreign(source: str, host: str) -> MjmlError:
    """Return the error about a picture of another host that the source does not name."""
    places = [(source.lower().find(f"<{name}"), name) for name in PICTURES]
    index, name = min((place for place in places if place[0] >= 0), default=(0, "mjml"))
    said = f"; say which with {PICTURES[name]}" if name in PICTURES else ""
    return MjmlError(f"MJML: '{name}' would load a picture of {host}{said}", index=index + 1)


def _compiled(source: str) -> str:
    disguised = _masked(INLINE_STYLE.sub(_emptied, source))
    try:
        compiled = unmask(compiled_by(COMPILER, disguised.text), disguised)
        sheets = [found["css"] for found in INLINE_STYLE.finditer(source)]
        return _with_rules(compiled, sheets) if sheets else compiled
    except Refused as refused:
        raise _refusal(str(refused), disguised) from None
    except (Failed, UnusableCss) as failed:
        message = f"MJML: {failed}"
        raise MjmlError(message) from None


def _with_rules(compiled: str, sheets: Sequence[str]) -> str:
    """Put the rules of inline styles into the elements, or else into a style sheet."""
    without = EMPTY_STYLE.sub("", compiled)
    written = inlined(without, sheets=sheets)
    if written != without:
        return written
    # Liquid decides about these rules.
    sheet = f'<style type="text/css">{"".join(sheets)}</style>'
    return EMPTY_STYLE.sub(lambda _: sheet, compiled, count=1)


def _emptied(style: re.Match[str]) -> str:
    """Return an inline style without rules, as long as it was, so that places stay the same."""
    blanks = re.sub(r"\S", " ", style[0][len("<mj-style>") : -len("</mj-style>")])
    return f"<mj-style>{blanks}</mj-style>"


def _refusal(answer: str, disguised: Masked) -> MjmlError:
    place = PLACE.search(answer)
    message = PLACE.sub("", answer).replace("in root template", "").strip()
    index = disguised.source_index(int(place[1])) if place else None
    if "include" in message:
        message = "mj-include is not offered: a version is complete in itself"
    return MjmlError(f"MJML: {message}", index=index)


def _masked(source: str) -> Masked:
    """Replace each piece of Liquid by a placeholder, which is an element where one is needed."""
    tree = _Tree()

    def placed(before: str, word: str) -> str:
        tree.follow(before)
        return f"<mj-raw>{word}</mj-raw>" if tree.between_elements else word

    return mask(source, placed)


class _Tree:
    """Tracks the MJML element in which the text that was read so far ends."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._in_tag = False

    @property
    def between_elements(self) -> bool:
        return not self._in_tag and bool(self._open) and self._open[-1] in STRUCTURAL

    def follow(self, text: str) -> None:
        for found in ELEMENT.finditer(text):
            if found["end"]:
                if found["end"] == "/>" and self._in_tag and self._open:
                    self._open.pop()
                self._in_tag = False
            elif found["closing"]:
                if found["name"] in self._open:
                    while self._open.pop() != found["name"]:
                        pass
            else:
                self._open.append(found["name"])
                self._in_tag = True
