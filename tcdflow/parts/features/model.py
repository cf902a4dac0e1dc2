"""Features of a model that a user names by hub id or folder: CLIP, SigLIP, DINOv2 or ViT."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcdflow.errors import RunError, SourceError
from tcdflow.spec.features import Extractor, Features
from tcdflow.text import library_reason

if TYPE_CHECKING:
    from PIL import Image

_TWO_TOWERS = ("clip", "siglip")
"""Kinds of models with a text half, whose image features are projected to where texts are."""


class ModelFeatures(Features):
    """What a vision model of transformers makes of an image: CLIP's embedding, else what it pools."""

    description = (
        "a vision model of transformers, by hub id or folder: facebook/dinov2-small, openai/clip-vit-base-patch32"
    )

    def identity(self, folder: Path | None) -> str:
        """Return the version of the arithmetic; the model's files are hashed by whoever found them."""
        return "1"

    def load(self, folder: Path | None) -> Extractor:
        """Return the model in float32, on a GPU if there is one.

        Raises:
            SourceError: if the folder holds no such model.
        """
        import torch
        from transformers import AutoImageProcessor, AutoModel

        from tcdflow.libraries.diffusers import quiet

        assert folder is not None
        try:
            kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
            with quiet(), torch.random.fork_rng(devices=[]):
                # The processor's kind is named: which one the library takes depends on what else is installed.
                processor = AutoImageProcessor.from_pretrained(
                    str(folder), local_files_only=True, trust_remote_code=False, backend="pil"
                )
                model, report = AutoModel.from_pretrained(
                    str(folder),
                    dtype=torch.float32,
                    local_files_only=True,
                    trust_remote_code=False,
                    use_safetensors=True,
                    output_loading_info=True,
                )
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # untrusted configs: a library can raise anything
            what = f"is no vision model of transformers: {type(error).__name__}: {library_reason(error)}"
            raise SourceError(f"'{folder}': {what}") from None
        missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
        if missing:  # the library draws them at random
            raise SourceError(f"'{folder}': its weights lack {len(missing)} of the model's, e.g. {missing[0]}")
        device = "cuda" if torch.cuda.is_available() else "cpu"
        pooled = not any("pooler" in name for name in report["missing_keys"])
        return _Extractor(processor, model.eval().to(device), device, two_towers=kind in _TWO_TOWERS, pooled=pooled)


class _Extractor:
    def __init__(self, processor: Any, model: Any, device: str, *, two_towers: bool, pooled: bool) -> None:
        self._processor = processor
        self._model = model
        self._device = device
        self._two_towers = two_towers
        self._pooled = pooled

    def __call__(self, images: Sequence[Image.Image]) -> Any:
        """Return an array of shape ``(images, dimensions)``.

        Raises:
            RunError: if the model gives no features of an image, or undefined ones.
        """
        import torch

        pixels = self._processor(images=list(images), return_tensors="pt").pixel_values.to(self._device)
        with torch.inference_mode():
            if self._two_towers:
                found = self._model.get_image_features(pixel_values=pixels)
            else:
                found = self._model(pixel_values=pixels)
        if not torch.is_tensor(found):
            pooled = getattr(found, "pooler_output", None) if self._pooled else None
            found = found.last_hidden_state.mean(1) if pooled is None else pooled
        found = found.flatten(1).float()
        if len(found) != len(images) or not bool(torch.isfinite(found).all()):
            raise RunError("--features: the model gives no numbers for an image, or undefined ones")
        return found.cpu().numpy()
