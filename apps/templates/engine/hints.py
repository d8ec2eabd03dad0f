"""What an author meant who writes another template language, or in a word processor."""

import re

# A message of the library, and what to say instead; ``{0}`` is the message.
TAGS = {"elseif": "elsif", "elif": "elsif", "foreach": "for", "set": "assign", "var": "assign"}
QUOTES = "“”„‟‘’‚‛«»‹›`´"  # noqa: RUF001 - that is the point.
HINTS = (
    (re.compile(rf"unexpected tag '({'|'.join(TAGS)})'"), "{0}; write '{tag}'"),
    (re.compile(r"unexpected tag 'end'"), "{0}; write 'endif', 'endfor' or the like"),
    (
        re.compile(rf"unexpected '[{QUOTES}]'"),
        "{0}: a quotation mark of a word processor; write ' or \"",
    ),
    (re.compile(r"unexpected '&'"), "{0}; write 'and'"),
    (re.compile(r"found dpipe"), "unexpected '||'; write 'or'"),
    (re.compile(r"expected end of expression, found '='"), "unexpected '='; write '=='"),
    (re.compile(r"found assign"), "unexpected '='; write '=='"),
    (re.compile(r"unknown operator '!'"), "unexpected '!'; write 'unless', or '!='"),
    (re.compile(r"disallowed not operator.*"), "unexpected 'not'; write 'unless', or '!='"),
    (
        re.compile(r"disallowed parentheses.*"),
        "unexpected '('; a condition has no parentheses: write an 'if' in an 'if'",
    ),
    (re.compile(r"disallowed ternary expression"), "unexpected 'if'; write {{% if … %}}"),
    (re.compile(r"unexpected '\?'"), "{0}; write {{% if … %}}"),
    (re.compile(r"unexpected '\{'"), "{0}; write {{{{ with two braces"),
    (re.compile(r"unexpected '([+*/])'"), "{0}; write a filter, such as | plus: 1"),
    (
        re.compile(r"expected end of expression, found '\('"),
        "unexpected '('; there are no functions",
    ),
    (
        re.compile(r"expected end of expression, found word"),
        "expected the end or '|', found a word",
    ),
    (
        re.compile(r"expected a comma separated list of arguments, found .*"),
        "expected a comma between two arguments",
    ),
    (
        re.compile(r"expected a primitive expression, found the end"),
        "expected a variable or a text",
    ),
)


def explained(message: str) -> str:
    """Return a message of the parser with what was probably meant."""
    for pattern, said in HINTS:
        found = pattern.search(message)
        if found:
            tag = TAGS.get(found[1], "") if found.groups() else ""
            return said.format(message, tag=tag)
    return message
