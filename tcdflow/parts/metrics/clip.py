"""CLIP score: how well an image fits its prompt, as a CLIP sees it."""

from __future__ import annotations

from pathlib import Path

from tcdflow.parts.metrics._clip import Clip
from tcdflow.spec.metrics import METRICS, ImageMetric, Scorer


class ClipScore(ImageMetric):
    """CLIP score (arXiv 2104.08718), as torchmetrics scales it: 100 × cosine of image and prompt, not below 0."""

    description = "CLIP score, 0 to 100: how well the image fits its prompt; clip=MODEL names another CLIP"
    better = "higher"
    model = "openai/clip-vit-large-patch14"
    column = 40

    def load(self, folder: Path | None, device: str | None = None) -> Scorer:
        clip = Clip.load(folder, "clip", device)
        return lambda subjects: [max(0.0, 100 * cosine) for cosine in clip.cosines(subjects)]


METRICS.add("clip", ClipScore())
