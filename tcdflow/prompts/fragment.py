"""A piece of a prompt with one weight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

MAX_DEPTH = 100


@dataclass(frozen=True)
class Fragment:
    """A piece of a prompt.

    Attributes:
        text: as the tokenizer reads it; of an embedding, its token as the prompt has it.
        weight: of its tokens; 1 leaves them as they are.
        embedding: name of the embedding that it stands for; None for words.
    """

    text: str
    weight: float = 1.0
    embedding: str | None = None


def merged(fragments: Iterable[Fragment]) -> list[Fragment]:
    """Return fragments with neighbours of one weight as one, since a tokenizer reads a word as a whole."""
    found: list[Fragment] = []
    for fragment in fragments:
        if found and found[-1].weight == fragment.weight:
            found[-1] = replace(found[-1], text=found[-1].text + fragment.text)
        elif fragment.text:
            found.append(fragment)
    return found


def check_depth(depth: int) -> None:
    """Refuse brackets that nest too deep.

    Raises:
        ValueError: saying so.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"its brackets nest deeper than {MAX_DEPTH}")
