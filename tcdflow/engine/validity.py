"""Whether the VAE's output is valid: finite numbers, and not all black.

Half precision is the usual cause of either: SDXL's own VAE overflows in float16, and what it then decodes is NaN, which
eight bits make black.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import torch
from PIL import Image

_CAUSE = "the usual cause is a VAE that overflows in float16: try runtime.dtype=float32 or bfloat16"


class DecoderWatch:
    """Sees, while open, what a VAE's decoder returns.

    Args:
        vae: an AutoencoderKL or AutoencoderTiny.
    """

    def __init__(self, vae: Any) -> None:
        self._finite: list[torch.Tensor] = []
        self._decoder = vae.decoder

    def __enter__(self) -> Self:
        self._handle = self._decoder.register_forward_hook(self._look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.remove()

    def take(self, images: int) -> list[bool]:
        """Return for each image of the call that just ended whether it is finite.

        Tiles and frames look the same here: where there are more or fewer parts than images, one that is not counts
        against all.
        """
        parts = torch.cat(self._finite).tolist() if self._finite else []
        self._finite.clear()
        return parts if len(parts) == images else [all(parts)] * images

    def _look(self, module: torch.nn.Module, args: Any, output: torch.Tensor) -> None:
        self._finite.append(torch.isfinite(output).flatten(1).all(dim=1))


def invalid_reason(frames: Sequence[Image.Image], *, finite: bool, blackened: bool) -> str | None:
    """Say why frames are invalid output, or return None if they are not.

    Args:
        frames: RGB, of one image or animation.
        finite: whether the decoder gave finite numbers.
        blackened: whether the base's safety checker took them out.
    """
    if blackened:
        return "the base's safety checker has blackened it (base.safety_checker)"
    if not finite:
        return f"it has infinite or undefined numbers; {_CAUSE}"
    if all(high == 0 for frame in frames for _, high in frame.convert("RGB").getextrema()):  # type: ignore[misc]
        return f"it is black all over; {_CAUSE}"
    return None
