"""Write the text of a mail from its HTML, with the Liquid of the HTML in it.

The text is a Liquid source like one that an author writes. It is made once, when the version is
saved, so that sending costs no more than with a written text.
"""

import html
import re
from collections.abc import Iterator

from apps.templates.compiling.branches import CLOSING, NEXT_BRANCH, OPENING, is_balanced, tag_name
from apps.templates.compiling.markup import VOID, Kind, Token, tokens
from apps.templates.compiling.masking import Masked, mask, unmask

# The line breaks that an element has before and after it: two are an empty line.
PARAGRAPH, LINE = 2, 1
BREAKS = {
    **dict.fromkeys(
        ("blockquote", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "p"),
        PARAGRAPH,
    ),
    **dict.fromkeys(("pre", "table", "ul"), PARAGRAPH),
    **dict.fromkeys(
        (
            "address",
            "article",
            "aside",
            "body",
            "caption",
            "center",
            "dd",
            "div",
            "dt",
            "fieldset",
            "footer",
            "form",
            "header",
            "html",
            "li",
            "main",
            "nav",
            "section",
            "tr",
        ),
        LINE,
    ),
}
# Nothing of them is seen.
HIDDEN = frozenset({"head", "template", "svg", "object", "audio", "video", "map", "select"})
HIDING_STYLE = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.IGNORECASE
)
BULLET = "- "
RULE = "-" * 20
BLANKS = re.compile(r"[\s\xa0\u200b\u200c\u200d\u034f\ufeff]+")
# What would be read as Liquid although the HTML only shows it, such as &#123;&#123;.
BRACES = re.compile(r"\{(?=[{%]|\Z)")
RAW = re.compile(r"\{%-?\s*raw\s*-?%\}(.*)\{%-?\s*endraw\s*-?%\}", re.DOTALL)
# They write HTML, which a text shows as it is.
FOR_HTML = re.compile(r"\|\s*(?:escape_once|escape|newline_to_br)\s*(?=\||-?\}\})")
# Tags that write something where they stand.
WRITING = frozenset({"cycle"})
# What a block that wrote nothing leaves behind in a rendered text. It begins where a run of blanks
# begins: from each blank of a run of 60,000, which a variable may have, it would take 38 s.
LEFT_BLANKS = re.compile(r"(?<![ \t])[ \t]++(?=\n)|\n(?=\n\n)")


def text_of(source: str) -> str:
    """Return the text of HTML, as a Liquid source.

    Paragraphs, lines, items of lists and cells are kept apart, an address follows the text of its
    link, and a picture is its alternative text. Conditions and loops stand where they stood.

    Args:
        source: The HTML with styles in its elements, whose Liquid has been parsed without an error.
    """
    masked = mask(source)
    writer = _Writer(masked)
    for token in tokens(masked.text):
        writer.add(token)
    return unmask(writer.text, masked).strip()


def tidied(text: str) -> str:
    """Remove from a rendered text the blanks and empty lines of blocks that wrote nothing."""
    return LEFT_BLANKS.sub("", text.strip())


class _Writer:
    """Writes the text. Breaks and blanks are written with what follows them, if anything does."""

    def __init__(self, masked: Masked) -> None:
        self._masked = masked
        self._pieces: list[str] = []
        # What is wanted before the next visible text.
        self._breaks = 0
        self._blank = False
        # How many line breaks stand at the end, and whether a blank would be one too many there.
        self._ended_lines = PARAGRAPH
        self._is_spaced = True
        # These two at the beginning of each open block, where its other branches begin as well.
        self._at_blocks: list[tuple[int, bool]] = []
        self._hidden: list[str] = []
        self._preformatted = 0
        # The addresses of open links, each with the number of pieces before its text.
        self._links: list[tuple[str, int]] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def add(self, token: Token) -> None:
        if token.kind is Kind.TEXT:
            self._text(token.text)
        elif token.kind in {Kind.RAW, Kind.ASIDE}:
            # A title, a style, a script and a comment are not shown in the mail.
            self._controls(token.text)
        elif token.kind is Kind.START:
            self._start(token)
        else:
            self._end(token)

    def _start(self, token: Token) -> None:
        self._unbalanced_controls(token)
        if not self._is_in_hidden(token):
            self._break(BREAKS.get(token.name, 0))
            self._begin(token)

    def _is_in_hidden(self, token: Token) -> bool:
        """Return whether an element is hidden or stands in one that is."""
        name = token.name
        if name == "body" and self._hidden == ["head"]:
            # The end of the head may be left out.
            self._hidden = []
        if self._hidden:
            if name == self._hidden[-1]:
                self._hidden.append(name)
            return True
        hidden = name in HIDDEN or _is_hidden(token)
        if hidden and name not in VOID:
            self._hidden.append(name)
        return hidden

    def _begin(self, token: Token) -> None:
        """Write what an element begins with."""
        name = token.name
        if name == "br":
            self._breaks += 1
        elif name == "img":
            self._text(token.value_of("alt"))
        elif name == "a":
            self._links.append((token.value_of("href").strip(), len(self._pieces)))
        elif name in {"td", "th"}:
            self._blank = True
        elif name == "pre":
            self._preformatted += 1
        elif name == "li":
            self._write(BULLET)
            self._is_spaced = True
        elif name == "hr":
            self._write(RULE)
            self._break(PARAGRAPH)

    def _end(self, token: Token) -> None:
        name = token.name
        if self._hidden:
            if name == self._hidden[-1]:
                self._hidden.pop()
            return
        if name == "a" and self._links:
            self._address(*self._links.pop())
        self._break(BREAKS.get(name, 0))
        self._preformatted -= name == "pre" and self._preformatted > 0

    def _address(self, address: str, begin: int) -> None:
        """Write the address of a link after its text, unless the text says it already."""
        address = html.unescape(address)
        shown = "".join(self._pieces[begin:]).strip()
        bare = re.sub(r"^(?:mailto|tel):", "", address)
        if not address or address.startswith("#") or shown in {address, bare}:
            return
        self._blank = bool(shown)
        self._write(f"<{self._protected(address)}>" if shown else self._protected(address))

    def _break(self, breaks: int) -> None:
        if breaks:
            self._breaks = max(self._breaks, breaks)

    def _text(self, text: str) -> None:
        if self._hidden:
            self._controls(text)
            return
        position = 0
        for found in self._masked.placeholder.finditer(text):
            self._literal(text[position : found.start()])
            self._liquid(found[0], self._masked.words[int(found[1])])
            position = found.end()
        self._literal(text[position:])

    def _literal(self, text: str) -> None:
        shown = html.unescape(text)
        if self._preformatted:
            first, *lines = shown.split("\n")
            self._write(self._protected(first)) if first else None
            for line in lines:
                self._breaks += 1
                self._write(self._protected(line)) if line else None
            return
        words = BLANKS.sub(" ", shown)
        self._blank |= words.startswith(" ")
        if stripped := words.strip(" "):
            self._write(self._protected(stripped))
            self._blank = words.endswith(" ")

    def _liquid(self, placeholder: str, word: str) -> None:
        name = tag_name(word)
        if raw := RAW.fullmatch(word):
            self._literal(raw[1])
        elif not name:
            self._write(placeholder if not FOR_HTML.search(word) else self._kept(word))
        elif name in WRITING:
            self._write(placeholder)
        else:
            self._control(placeholder, name)

    def _kept(self, word: str) -> str:
        """Return a placeholder for an output without the filters that write HTML."""
        self._masked.words.append(FOR_HTML.sub("", word))
        return f"{self._masked.mark}{len(self._masked.words) - 1:06d}"

    def _controls(self, text: str) -> None:
        """Keep the tags of a text that is not shown, but no output."""
        for found in self._masked.placeholder.finditer(text):
            name = tag_name(self._masked.words[int(found[1])])
            if name and name not in WRITING and name != "raw":
                self._pieces.append(found[0])

    def _unbalanced_controls(self, token: Token) -> None:
        """Keep the blocks of a tag that begin in it and end elsewhere, or the other way round."""
        if not is_balanced(self._words(token.text)):
            self._controls(token.text)

    def _words(self, text: str) -> Iterator[str]:
        return (
            self._masked.words[int(found[1])] for found in self._masked.placeholder.finditer(text)
        )

    def _control(self, placeholder: str, name: str) -> None:
        """Write a tag that writes nothing itself, after the breaks that stand before it."""
        self._separate()
        if name in NEXT_BRANCH and self._at_blocks:
            self._ended_lines, self._is_spaced = self._at_blocks[-1]
        elif name in CLOSING and self._at_blocks:
            self._at_blocks.pop()
        elif name in OPENING:
            self._at_blocks.append((self._ended_lines, self._is_spaced))
        self._pieces.append(placeholder)

    def _write(self, text: str) -> None:
        self._separate()
        self._pieces.append(text)
        self._ended_lines, self._is_spaced = 0, False

    def _separate(self) -> None:
        """Write the breaks or the blank that are wanted and not there yet."""
        if self._breaks > self._ended_lines:
            self._pieces.append("\n" * (self._breaks - self._ended_lines))
            self._ended_lines = self._breaks
            self._is_spaced = True
        elif self._blank and not self._breaks and not self._is_spaced:
            self._pieces.append(" ")
            self._is_spaced = True
        self._breaks, self._blank = 0, False

    @staticmethod
    def _protected(text: str) -> str:
        """Return a literal text in a form that Liquid prints as it is."""
        return BRACES.sub("{% raw %}{{% endraw %}", text)


def _is_hidden(token: Token) -> bool:
    if any(one.name == "hidden" for one in token.attributes):
        return True
    return HIDING_STYLE.search(token.value_of("style")) is not None
