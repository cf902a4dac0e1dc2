"""A prompt as fragments with weights, in the parts that ``BREAK`` makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from tcdflow.prompts import a1111, compel
from tcdflow.prompts.fragment import Fragment

_BREAK = re.compile(r"(?<!\S)BREAK(?!\S)")
_GRAMMARS: dict[str, Callable[[str], list[Fragment]]] = {"a1111": a1111.parse, "compel": compel.parse}


def read(text: str, weights: str, tokens: Mapping[str, str], *, breaks: bool) -> list[list[Fragment]]:
    """Read a prompt.

    Args:
        text: the prompt.
        weights: the grammar of its weights: ``none``, ``a1111`` or ``compel``.
        tokens: text that stands for an embedding in prompts, by the name of the embedding.
        breaks: whether ``BREAK`` begins another part.

    Returns:
        The parts, each a list of fragments; there is at least one part, which may be empty.

    Raises:
        ValueError: if the grammar cannot read it.
    """
    tokens = dict(sorted(tokens.items(), key=lambda item: -len(item[1])))  # "bad-v2" is not "bad"
    fragments = _GRAMMARS[weights](text) if weights in _GRAMMARS else [Fragment(text)]
    parts: list[list[Fragment]] = [[]]
    for fragment in fragments:
        first, *others = _BREAK.split(fragment.text) if breaks else [fragment.text]
        parts[-1] += _with_embeddings(replace(fragment, text=first), tokens)
        parts += [list(_with_embeddings(replace(fragment, text=other), tokens)) for other in others]
    return parts


def holds(text: str, token: str) -> bool:
    """Say whether a prompt has an embedding's token: as a word of its own, in any case."""
    return _token(token).search(text) is not None


def _with_embeddings(fragment: Fragment, tokens: Mapping[str, str]) -> Iterator[Fragment]:
    """Yield a fragment taken apart at the tokens of embeddings."""
    for name, token in tokens.items():
        pieces = _token(token).split(fragment.text)
        if len(pieces) > 1:
            found = _token(token).findall(fragment.text)
            others = {other: text for other, text in tokens.items() if other != name}
            for piece, own in zip(pieces, [*found, None], strict=True):
                yield from _with_embeddings(replace(fragment, text=piece), others)
                if own is not None:
                    yield replace(fragment, text=own, embedding=name)
            return
    if fragment.text.strip():
        yield fragment


def _token(token: str) -> re.Pattern[str]:
    first, last = (r"(?<!\w)" if token[0].isalnum() else "", r"(?!\w)" if token[-1].isalnum() else "")
    return re.compile(first + re.escape(token) + last, re.IGNORECASE)
