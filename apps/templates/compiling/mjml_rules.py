"""Which elements and attributes MJML has, and the places of others in a source.

The compiler leaves out what it does not know, so a misspelt button would be missing in every mail.
The names are those of MJML 4: https://documentation.mjml.io/
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# No part of it may contain "<", so that searching takes linear time whatever is not closed.
TAG = re.compile(
    r"<(?:(?P<comment>!--)|(?P<closing>/?)(?P<name>mj[a-z-]*)"
    r"(?P<attributes>(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*)>)",
    re.IGNORECASE,
)
ATTRIBUTE = re.compile(r"(?P<name>[^\s\"'=<>/]+)(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'>]+))?")

ANYWHERE = "css-class mj-class"
FONT = "color font-family font-size font-style font-weight letter-spacing line-height"
PADDING = "padding padding-bottom padding-left padding-right padding-top"
BORDER = "border border-bottom border-left border-right border-top border-radius"
BOX = f"container-background-color {PADDING}"
LINK = "href name rel target title"
ICONS = (
    "icon-align icon-height icon-position icon-unwrapped-alt icon-unwrapped-url icon-width "
    "icon-wrapped-alt icon-wrapped-url"
)
BACKGROUND = (
    "background-color background-position background-position-x background-position-y "
    "background-repeat background-size background-url"
)
TEXT_MARKS = "text-decoration text-transform"
SECTION = f"{BACKGROUND} {BORDER} direction full-width {PADDING} text-align text-padding"
THUMBNAILS = (
    "tb-border tb-border-radius tb-hover-border-color tb-selected-border-color tb-width thumbnails"
)
ANY = "*"

_ATTRIBUTES = {
    "mjml": "owa lang dir version xmlns",
    "mj-head": "",
    "mj-body": "background-color width id title lang dir",
    "mj-include": "path type css-inline",
    "mj-attributes": "",
    "mj-all": ANY,
    "mj-class": ANY,
    "mj-breakpoint": "width",
    "mj-font": "name href",
    "mj-html-attributes": "",
    "mj-selector": "path",
    "mj-html-attribute": "name",
    "mj-preview": "",
    "mj-style": "inline",
    "mj-title": "",
    "mj-raw": "position",
    "mj-accordion": f"{BORDER} {BOX} {FONT} {ICONS}",
    "mj-accordion-element": f"background-color {BORDER} {FONT} {ICONS}",
    "mj-accordion-title": f"background-color {FONT} {PADDING}",
    "mj-accordion-text": f"background-color {FONT} {PADDING}",
    "mj-button": f"align background-color {BORDER} {BOX} {FONT} {LINK} {TEXT_MARKS} height "
    "inner-padding text-align vertical-align width",
    "mj-carousel": f"align background-color border-radius {BOX} icon-width left-icon right-icon "
    f"{THUMBNAILS}",
    "mj-carousel-image": f"alt border-radius {LINK} src thumbnails-src {THUMBNAILS}",
    "mj-column": f"background-color {BORDER} direction inner-background-color inner-border "
    "inner-border-bottom inner-border-left inner-border-radius inner-border-right "
    f"inner-border-top {PADDING} vertical-align width",
    "mj-divider": f"align border-color border-style border-width {BOX} width",
    "mj-group": "background-color direction vertical-align width",
    "mj-hero": f"{BACKGROUND} background-height background-width border-radius {BOX} height "
    "inner-background-color inner-padding inner-padding-bottom inner-padding-left "
    "inner-padding-right inner-padding-top mode vertical-align width",
    "mj-image": f"align alt {BORDER} {BOX} {LINK} fluid-on-mobile font-size full-width height "
    "max-height sizes src srcset usemap width",
    "mj-navbar": f"align base-url hamburger ico-align ico-close ico-color ico-font-family "
    "ico-font-size ico-line-height ico-open ico-padding ico-padding-bottom ico-padding-left "
    f"ico-padding-right ico-padding-top ico-text-decoration ico-text-transform {PADDING}",
    "mj-navbar-link": f"{FONT} {LINK} {PADDING} {TEXT_MARKS}",
    "mj-section": SECTION,
    "mj-social": f"align border-radius {BOX} {FONT} icon-height icon-padding icon-size "
    "inner-padding mode table-layout text-decoration text-padding vertical-align",
    "mj-social-element": f"align alt background-color border-radius {FONT} {LINK} icon-height "
    f"icon-padding icon-position icon-size {PADDING} sizes src srcset text-decoration "
    "text-padding vertical-align",
    "mj-spacer": f"{BOX} height vertical-align width",
    "mj-table": f"align border cellpadding cellspacing {BOX} {FONT} role table-layout "
    "vertical-align width",
    "mj-text": f"align {BOX} {FONT} {TEXT_MARKS} height vertical-align",
    "mj-wrapper": f"{SECTION} gap",
}
ATTRIBUTES = {
    name: frozenset(f"{attributes} {ANYWHERE}".split()) for name, attributes in _ATTRIBUTES.items()
}
# Their content is text or HTML, in which an element of MJML would be printed as it is.
TEXTUAL = frozenset(
    {
        "mj-accordion-text",
        "mj-accordion-title",
        "mj-button",
        "mj-navbar-link",
        "mj-preview",
        "mj-raw",
        "mj-social-element",
        "mj-style",
        "mj-table",
        "mj-text",
        "mj-title",
    }
)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Something in a source that MJML does not have.

    Attributes:
        message: What is wrong.
        index: Where, as an index into the source.
    """

    message: str
    index: int


def mistakes(text: str, *, mark: str) -> Iterator[Mistake]:
    """Find elements and attributes that MJML does not have, and elements inside texts.

    Args:
        text: The source, with its Liquid replaced by placeholders.
        mark: The prefix of all placeholders.
    """
    within = ""
    for tag in _tags(text):
        name = tag["name"].lower()
        if tag["closing"]:
            within = "" if name == within else within
            continue
        if within:
            message = f"'{name}' cannot stand in '{within}', which holds text and HTML"
            yield Mistake(message=message, index=tag.start("name"))
        elif name not in ATTRIBUTES:
            yield Mistake(message=f"there is no element '{name}'", index=tag.start("name"))
        else:
            yield from _attributes(tag, name, mark)
            if name in TEXTUAL and not tag["attributes"].endswith("/"):
                within = name


def _tags(text: str) -> Iterator[re.Match[str]]:
    """Yield the tags of MJML's elements outside of comments."""
    position = 0
    while tag := TAG.search(text, position):
        position = tag.end()
        if tag["comment"]:
            end = text.find("-->", position)
            if end < 0:
                return
            position = end
        else:
            yield tag


def _attributes(tag: re.Match[str], name: str, mark: str) -> Iterator[Mistake]:
    known = ATTRIBUTES[name]
    if ANY in known:
        return
    for attribute in ATTRIBUTE.finditer(tag["attributes"]):
        said = attribute["name"].lower()
        if said not in known and not said.startswith(mark):
            index = tag.start("attributes") + attribute.start()
            yield Mistake(message=f"'{name}' has no attribute '{attribute['name']}'", index=index)


def stray(text: str) -> Mistake | None:
    """Find the first element of MJML in a text that is not compiled."""
    for tag in _tags(text):
        if tag["name"].lower().startswith(("mj-", "mjml")):
            message = f"'{tag['name']}' is an element of MJML, which stands in <mjml>"
            return Mistake(message=message, index=tag.start("name"))
    return None
