"""Rules of prompts: what can be read of them, and what is probably meant by their words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tcdflow.errors import Misfit, Problem
from tcdflow.prompts import tags, text
from tcdflow.text import in_quotes

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec

_SECOND = ("prompt_2", "negative_prompt_2")


def problems(spec: RunSpec) -> Iterator[Problem]:
    """Yield each reason for which its prompts cannot be read as asked."""
    encoders = len(spec.family.tokenizers)
    for key in _SECOND:
        if (second := getattr(spec, key)) is not None and encoders < 2:
            yield Problem(key, f"a base of family {spec.base.family} has no second text encoder", second)
    for key in ("prompt", "negative_prompt", *_SECOND):
        if spec.prompt_encoding.weights != "none" and (prompt := getattr(spec, key)):
            try:
                text.read(prompt, spec.prompt_encoding.weights, {}, breaks=True)
            except ValueError as error:
                yield Problem(key, f"{error} (prompt_encoding.weights={spec.prompt_encoding.weights})", prompt)
    yield from _embeddings(spec)


def _embeddings(spec: RunSpec) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, embedding in spec.embeddings.items():
        if embedding.family is not None and embedding.family != spec.base.family:
            what = f"was trained for {embedding.family} and does not fit a base of family {spec.base.family}"
            yield Problem(f"embeddings.{name}", what, misfit=Misfit((embedding.family,), spec.base.family))
        token = spec.embedding_tokens[name].lower()
        if token in seen:
            what = f"is the word of embeddings.{seen[token]} too; give one of them another"
            yield Problem(f"embeddings.{name}.token", what, spec.embedding_tokens[name])
        seen[token] = name


def warnings(spec: RunSpec) -> Iterator[str]:
    """Yield what is allowed and probably not meant."""
    encoding = spec.prompt_encoding
    for key, prompt in spec.prompts.items():
        for found in tags.lora_tags(prompt, spec.loras):
            yield f"{key}: {found}"
        for found in tags.unread(prompt, weights=encoding.weights, breaks=encoding.long == "chunk"):
            yield f"{key}: {found}"
    for name, token in spec.embedding_tokens.items():
        if not any(text.holds(prompt, token) for prompt in spec.prompts.values()):
            yield f"embeddings.{name} has no effect: no prompt has its word {in_quotes(token)}"
