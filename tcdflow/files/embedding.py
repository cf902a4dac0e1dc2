"""Which tensor of a textual inversion file is for which text encoder: told from names and shapes alone.

A1111 and kohya's sd-scripts write ``emb_params``, diffusers writes one tensor under the name of its token; both are for
one text encoder. For SDXL's two there are ``clip_l`` and ``clip_g``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tcdflow.errors import SourceError

MAX_VECTORS = 75
"""As many tokens as a text encoder reads at once."""

_BOTH = (("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1"))


def names(shapes: Mapping[str, tuple[int, ...]], widths: Sequence[int]) -> list[str]:
    """Return the name of the tensor for each text encoder of a base.

    Args:
        shapes: of the file's tensors: ``(vectors, width)``, or ``(width,)`` of one vector.
        widths: of the text encoders' token embeddings, the first encoder's first.

    Raises:
        SourceError: if the file holds no embedding, or one for other text encoders.
    """
    found = _names(shapes)
    if len(widths) > 1 and found[0] in (half for both in _BOTH for half in both) and len(found) == 1:
        raise SourceError(f"holds {found[0]} alone; this base has {len(widths)} text encoders and needs one for each")
    if len(found) != len(widths):
        kinds = {1: "one text encoder (SD 1.5, SD 2.1)", 2: "two text encoders (SDXL)"}
        raise SourceError(f"is for bases with {kinds[len(found)]}, and this base has {len(widths)}")
    counts = set()
    for name, width in zip(found, widths, strict=True):
        shape = shapes[name]
        if len(shape) not in (1, 2) or shape[-1] != width:
            raise SourceError(f"has {name[:80]!r} of shape {list(shape)}, and this base has vectors of {width}")
        counts.add(count(shape))
    if len(counts) > 1:
        raise SourceError("has other numbers of vectors for the two text encoders")
    if not 0 < max(counts) <= MAX_VECTORS:
        raise SourceError(f"has {max(counts)} vectors; a text encoder reads at most {MAX_VECTORS} tokens at once")
    return found


def count(shape: tuple[int, ...]) -> int:
    """Return how many vectors, and so tokens, a tensor holds."""
    return shape[0] if len(shape) > 1 else 1


def _names(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    for both in _BOTH:
        if all(name in shapes for name in both):
            return list(both)
    if "emb_params" in shapes:
        return ["emb_params"]
    if len(shapes) == 1:
        return list(shapes)
    shown = ", ".join(sorted(shapes)[:3])
    raise SourceError(f"holds no textual inversion embedding: its {len(shapes)} tensors are e.g. {shown[:200]}")
