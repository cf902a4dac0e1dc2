r"""Weights as the library compel writes them.

Each ``+`` after a word, a group in brackets or a quoted text multiplies its weight by 1.1, each ``-`` by 0.9; a number
after a group is its weight: ``cat++``, ``(red mat)1.3``, ``"old man"-``. Groups nest, and brackets without a weight
have none. A backslash before ``( ) " + - \`` makes it the character itself. The grammar is that of compel's
``doc/syntax.md``; of what is in it, ``.and()``, ``.blend()`` and ``.swap()`` are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tcdflow.prompts.fragment import Fragment, check_depth, merged

UP, DOWN = 1.1, 0.9

_UNREAD = re.compile(r"\)\s*\.(and|blend|swap)\(")
_SIGNS = r"(?:\+{1,50}|-{1,50})"
_END = r"(?=[\s()\",;:.!?]|$)"
_SUFFIX = re.compile(_SIGNS)
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")
_WORD = re.compile(rf"(?!{_SIGNS}{_END})(?:\\.|[^\s()\"\\,;:.!?])+?(?={_SIGNS}?{_END})", re.DOTALL)
_ESCAPED = re.compile(r"\\([()\"+\\-])")


def parse(text: str) -> list[Fragment]:
    """Return the fragments of a prompt; none of them is empty.

    Raises:
        ValueError: if it joins or blends prompts, or its groups nest too deep.
    """
    if found := _UNREAD.search(text):
        raise ValueError(f".{found[1]}() of compel is not supported; its weights are")
    return merged(_fragments(text, 0, len(text), 1.0, _closing(text)))


def _fragments(text: str, at: int, end: int, weight: float, closing: dict[int, int]) -> Iterator[Fragment]:
    while at < end:
        if at in closing:
            inside, at = (at + 1, closing[at]), closing[at] + 1
            factor, at = _factor(text, at, numbers=text[inside[1]] == ")")
            yield from _fragments(text, *inside, weight * factor, closing)
        elif word := _WORD.match(text, at, end):
            factor, at = _factor(text, word.end(), numbers=False)
            yield Fragment(_ESCAPED.sub(r"\1", word[0]), weight * factor)
        else:
            yield Fragment(text[at], weight)
            at += 1


def _closing(text: str) -> dict[int, int]:
    """Return where each group ends, by where it begins: a bracket that is closed, or a quote with a weight."""
    found: dict[int, int] = {}
    opened: list[int] = []
    quote: int | None = None
    escaped = False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "(":
            opened.append(at)
            check_depth(len(opened))
        elif character == ")" and opened:
            found[opened.pop()] = at
        elif character == '"':
            if quote is not None and _SUFFIX.match(text, at + 1):
                found[quote], quote = at, None
            else:
                quote = at
    return found


def _factor(text: str, at: int, *, numbers: bool) -> tuple[float, int]:
    """Return by what the weight is multiplied that is written at a place, and the place behind it."""
    if suffix := _SUFFIX.match(text, at):
        return (UP if suffix[0][0] == "+" else DOWN) ** len(suffix[0]), suffix.end()
    if numbers and (number := _NUMBER.match(text, at)):
        return float(number[0]), number.end()
    return 1.0, at
