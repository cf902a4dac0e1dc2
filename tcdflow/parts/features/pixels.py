"""Pixels as features: simple, without a model, and blind to all that is small."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcdflow.spec.features import FEATURES, Extractor, Features

if TYPE_CHECKING:
    from PIL import Image

_SIDE = 16


class Pixels(Features):
    """The colours of 16 × 16 areas, from 0 to 1."""

    description = "colours of 16 × 16 areas, their 48 principal components; needs no model, and is lenient"
    components = 48

    def identity(self, folder: Path | None) -> str:
        """Return the version of the arithmetic."""
        return "1"

    def load(self, folder: Path | None) -> Extractor:
        """Return the function that averages pixels."""
        return _pooled


def _pooled(images: Sequence[Image.Image]) -> Any:
    """Return an array of shape ``(images, 768)``."""
    import numpy as np
    from PIL import Image

    small = [image.resize((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=None) for image in images]
    return np.stack([np.asarray(one, dtype=np.float32).reshape(-1) / 255 for one in small])


FEATURES.add("pixels", Pixels())
