"""The examples of a distillation on the disk, encoded, and read one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tcdflow.distill import cache
from tcdflow.distill.cache import Tensors
from tcdflow.distill.encode import Encoder
from tcdflow.distill.keys import Chunk

Encoded = Callable[[int, int], None]
"""Is told of how many examples how many are encoded."""


@dataclass(frozen=True)
class Dataset:
    """Encoded examples.

    Attributes:
        places: files of so many examples each, in order.
        count: of all examples.
        per_place: examples of a file; the last may have fewer.
        unconditional: embeddings of no prompt, with a batch dimension of 1.
        sha256: over everything that is encoded.
    """

    places: Sequence[Path]
    count: int
    per_place: int
    unconditional: Tensors
    sha256: str

    def batch(self, numbers: Sequence[int]) -> Tensors:
        """Return examples by their numbers, a row for each."""
        rows = [cache.read(self.places[number // self.per_place], number % self.per_place) for number in numbers]
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def encode(
    chunks: Sequence[Chunk],
    unconditional: str,
    encoder: Callable[[], Encoder],
    share: tuple[int, int],
    wait: Callable[[], None],
    on_encoded: Encoded,
) -> Dataset:
    """Encode what is not in the cache yet.

    Args:
        chunks: the examples.
        unconditional: key of the embeddings of no prompt.
        encoder: gives what encodes; called only if something is missing.
        share: which of how many processes this is: each encodes its own.
        wait: returns once all processes have called it.
        on_encoded: is told how far it is.

    Raises:
        RunError: if latents are NaN or Inf.
        OutputError: if the cache cannot be written.
    """
    rank, of = share
    total = sum(len(chunk.examples) for chunk in chunks)
    done = 0
    for number, chunk in enumerate(chunks):
        if number % of == rank:
            cache.kept(chunk.key, lambda chunk=chunk: encoder().examples(chunk.examples))  # type: ignore[misc]
        done += len(chunk.examples)
        on_encoded(done, total)
    if rank == 0:
        cache.kept(unconditional, lambda: encoder().unconditional())
    wait()
    # Where processes share no disk, each makes what the others have made elsewhere.
    places = [cache.kept(chunk.key, lambda chunk=chunk: encoder().examples(chunk.examples)) for chunk in chunks]  # type: ignore[misc]
    nothing = cache.kept(unconditional, lambda: encoder().unconditional())
    return Dataset(places, total, len(chunks[0].examples), cache.read(nothing, 0), cache.digest([*places, nothing]))
