"""What weights of words do to a prompt's embeddings: the formulas of A1111's web UI and of the library compel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_LEAST = 1e-5
"""A weight of 0 would fade without end."""


def a1111(states: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Multiply each token's state by its weight, then scale all of them to the mean that they had before.

    As ``EmphasisOriginal`` of A1111's web UI does, chunk by chunk. It is computed in float32.

    Args:
        states: of one chunk, of shape ``(1, places, width)``.
        weights: of shape ``(1, places, 1)``; None if all of them are 1.
    """
    if weights is None:
        return states
    exact = states.float()
    weighted = exact * weights
    return (weighted * (exact.mean() / weighted.mean())).to(states.dtype)


def compel(
    states: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor | None],
    empty: torch.Tensor,
    faded: Sequence[float],
    without: Sequence[Sequence[torch.Tensor]],
) -> list[torch.Tensor]:
    """Move each token's state away from that of an empty prompt, and let fragments with weights below 1 fade.

    As ``EmbeddingsProvider`` of compel does: a weight w makes ``empty + w (state - empty)``. For each fragment with w
    below 1 the prompt without it is mixed in, with the share ``tan((1 - w) pi / 2)`` to the whole prompt's 1.

    Args:
        states: of the chunks of a prompt, each of shape ``(1, places, width)``.
        weights: of their places, each of shape ``(1, places, 1)``, or None for ones.
        empty: of an empty prompt.
        faded: weights of the fragments below 1.
        without: for each of these, what the chunks are with the fragment masked.
    """
    shares = [1.0, *(math.tan((1 - max(weight, _LEAST)) * math.pi / 2) for weight in faded)]
    versions = [[_from_empty(s, w, empty) for s, w in zip(one, weights, strict=True)] for one in (states, *without)]
    parts = [share / sum(shares) for share in shares]
    mixed = [[one * part for one, part in zip(chunk, parts, strict=True)] for chunk in zip(*versions, strict=True)]
    return [sum(others, start=first).to(states[0].dtype) for first, *others in mixed]


def _from_empty(states: torch.Tensor, weights: torch.Tensor | None, empty: torch.Tensor) -> torch.Tensor:
    exact, nothing = states.float(), empty.float()
    return exact if weights is None else (nothing + (exact - nothing) * weights).where(weights != 1, exact)
