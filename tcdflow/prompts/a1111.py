r"""Weights as A1111's web UI writes them.

``(word)`` multiplies the weight by 1.1 and ``[word]`` divides it by 1.1; ``(word:1.3)`` multiplies it by 1.3. Brackets
nest; what is opened and not closed reaches to the end. ``\(``, ``\)``, ``\[``, ``\]`` and ``\\`` are the characters
themselves. The grammar is that of the web UI's wiki page "Features", section "Attention/emphasis".
"""

from __future__ import annotations

import re

from tcdflow.prompts.fragment import Fragment, check_depth, merged

STEP = 1.1

_TOKEN = re.compile(
    r"\\(?P<escaped>[()\[\]\\]?)"
    r"|:\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)"
    r"|(?P<bracket>[()\[\]])"
    r"|(?P<plain>[^\\()\[\]:]+|:)"
)


def parse(text: str) -> list[Fragment]:
    """Return the fragments of a prompt; none of them is empty.

    Raises:
        ValueError: if its brackets nest too deep.
    """
    pieces: list[tuple[str, float]] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def close(bracket: str, factor: float) -> None:
        start = opened[bracket].pop()
        pieces[start:] = [(piece, weight * factor) for piece, weight in pieces[start:]]

    for token in _TOKEN.finditer(text):
        bracket = token["bracket"]
        if bracket in ("(", "["):
            opened[bracket].append(len(pieces))
            check_depth(len(opened["("]) + len(opened["["]))
        elif token["weight"] and opened["("]:
            close("(", float(token["weight"]))
        elif bracket == ")" and opened["("]:
            close("(", STEP)
        elif bracket == "]" and opened["["]:
            close("[", 1 / STEP)
        else:
            literal = token["plain"] or token["escaped"]
            pieces.append((token[0] if literal is None else literal, 1.0))
    while opened["("]:
        close("(", STEP)
    while opened["["]:
        close("[", 1 / STEP)
    return merged(Fragment(piece, weight) for piece, weight in pieces)
