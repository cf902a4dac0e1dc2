"""PickScore: which image of a prompt people prefer."""

from __future__ import annotations

from pathlib import Path

from tcdflow.parts.metrics._clip import Clip
from tcdflow.spec.metrics import METRICS, ImageMetric, Scorer


class PickScore(ImageMetric):
    """PickScore (arXiv 2305.01569): a CLIP tuned on choices of people; the cosine times the model's own scale.

    Any scorer that is a CLIPModel, and whose score is ``logits_per_image``, can be named instead.
    """

    description = "what people prefer, learnt from their choices, about 17 to 25; pickscore=MODEL names another"
    better = "higher"
    model = "yuvalkirstain/PickScore_v1"
    column = 41

    def load(self, folder: Path | None, device: str | None = None) -> Scorer:
        clip = Clip.load(folder, "pickscore", device)
        return lambda subjects: [clip.scale * cosine for cosine in clip.cosines(subjects)]


METRICS.add("pickscore", PickScore())
