"""The tokenizer: CLIP's byte-pair encoding, trained on the captions, so that each of their words is one token."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from scripts.embedded_model.captions import words

LENGTH: Final = 24
"""Tokens of a prompt, with those that begin and end it."""

_LETTERS: Final = (*string.ascii_lowercase, *string.digits, *"',.-!?:;")
_SPECIAL: Final = ("<|startoftext|>", "<|endoftext|>")


def tokenizer() -> Any:
    """Return the tokenizer, trained: the same words give the same one."""
    merges = _merges()
    tokens = [*_LETTERS, *(f"{letter}</w>" for letter in _LETTERS), *("".join(pair) for pair in merges), *_SPECIAL]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocabulary, merges, model_max_length=LENGTH)


def _merges() -> list[tuple[str, str]]:
    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=100_000, end_of_word_suffix="</w>", show_progress=False)
    trained.train_from_iterator(words(), trainer)
    return [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]]


def save(folder: Path) -> None:
    """Write the tokenizer as diffusers' pipelines have it."""
    tokenizer().save_pretrained(folder)
