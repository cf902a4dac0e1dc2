"""What a base's text encoders cut off of a run's prompts, found by their tokenizers' files alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from tcdflow.files.artifact import Artifacts
from tcdflow.prompts import text
from tcdflow.prompts.tokens import FILES, Tokenizer
from tcdflow.spec.model import RunSpec
from tcdflow.text import in_quotes


def warnings(spec: RunSpec, files: Artifacts, vectors: Mapping[str, int]) -> Iterator[str]:
    """Yield a warning for each prompt that has an effect and of which a text encoder does not read all.

    Args:
        spec: the run.
        files: its local files; a tokenizer that is not among them is not asked.
        vectors: number of vectors of each embedding, by name.
    """
    encoding = spec.prompt_encoding
    if encoding.long != "truncate":
        return
    tokens = tuple(spec.embedding_tokens.items())
    counts = tuple(vectors.items())
    found: dict[tuple[str, str, int, int], list[int]] = {}
    for number, name in enumerate(spec.family.tokenizers):
        if (tokenizer := _tokenizer(files, name)) is None:
            continue
        for key, prompt in spec.prompts_of(number).items():
            if cut := _cut(tokenizer, prompt, encoding.weights, tokens, counts):
                found.setdefault((key, *cut), []).append(number)
    for (key, rest, count, room), encoders in found.items():
        which = "" if len(encoders) == len(spec.family.tokenizers) else f" by text encoder {encoders[0] + 1}"
        yield (
            f"{key} has {count} tokens and {room} are read{which}: {in_quotes(rest)} is cut off; "
            "prompt_encoding.long=chunk reads all of it"
        )


def _tokenizer(files: Artifacts, name: str) -> Tokenizer | None:
    base = files.base_config or files.base
    own = [f"{name}/{file}" for file in FILES if f"{name}/{file}" in base.files]
    if not own or any(file.name in own for file in base.absent):
        return None
    return Tokenizer.read(Path(base.root) / name)


@lru_cache(maxsize=4096)  # a sweep asks for each cell
def _cut(
    tokenizer: Tokenizer,
    prompt: str,
    weights: str,
    tokens: tuple[tuple[str, str], ...],
    vectors: tuple[tuple[str, int], ...],
) -> tuple[str, int, int] | None:
    """Return what is cut off of a prompt, how many tokens it has and how many are read; None if all of them are."""
    (fragments,) = text.read(prompt, weights, dict(tokens), breaks=False)
    room, count, rest = tokenizer.room, 0, ""
    for fragment in fragments:
        if fragment.embedding is not None:
            starts = [0] * dict(vectors).get(fragment.embedding, 1)
        else:
            starts = tokenizer.starts(fragment.text)
        if count + len(starts) > room:
            rest += fragment.text[starts[room - count] if count < room else 0 :]
        count += len(starts)
    return (rest.strip(), count, room) if count > room else None
