"""The tokenizer: CLIP's byte-pair encoding, made from the words of the captions, so that each of them is one token."""

from __future__ import annotations

import string
from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any, Final

from transformers import CLIPTokenizer

from scripts.embedded_model.captions import words

LENGTH: Final = 24
"""Tokens of a prompt, with those that begin and end it."""

_LETTERS: Final = (*string.ascii_lowercase, *string.digits, *"',.-!?:;")
_SPECIAL: Final = ("<|startoftext|>", "<|endoftext|>")


def tokenizer() -> Any:
    """Return the tokenizer: the same words give the same one."""
    merges = _merges()
    tokens = [*_LETTERS, *(f"{letter}</w>" for letter in _LETTERS), *("".join(pair) for pair in merges), *_SPECIAL]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocabulary, list(merges), model_max_length=LENGTH)


@cache
def _merges() -> tuple[tuple[str, str], ...]:
    """Return the merges that make each word one token; of pairs as frequent as each other the first by the alphabet.

    The trainer of ``tokenizers`` leaves that order to chance, and a dozen words had another token in each process.
    """
    split, merges = [[*word[:-1], f"{word[-1]}</w>"] for word in words()], []
    while pairs := Counter(pair for parts in split for pair in pairwise(parts)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = [_merged(parts, best) for parts in split]
    return tuple(merges)


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    if pair not in pairwise(parts):
        return parts
    made: list[str] = []
    for part in parts:
        if made and (made[-1], part) == pair:
            made[-1] += part
        else:
            made.append(part)
    return made
