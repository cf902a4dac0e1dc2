"""What scorers of images and prompts share: a CLIPModel of transformers with its tokenizer and image processor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tcdflow.errors import RunError, SourceError
from tcdflow.spec.metrics import Subject
from tcdflow.text import library_reason


@dataclass(frozen=True)
class Clip:
    """A loaded model.

    Attributes:
        name: of the metric, for messages.
        model: CLIPModel in float32.
        tokenizer: of its texts.
        processor: of its images.
        device: where it computes.
    """

    name: str
    model: Any
    tokenizer: Any
    processor: Any
    device: str

    @classmethod
    def load(cls, folder: Path | None, name: str, device: str | None) -> Self:
        """Load it in float32, on a device, or where none is named on a GPU if there is one.

        Raises:
            SourceError: if the folder holds no such model.
        """
        import torch
        from transformers import AutoImageProcessor, CLIPModel, CLIPTokenizer

        from tcdflow.libraries.diffusers import quiet

        assert folder is not None
        try:
            kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
            if kind != "clip":
                raise ValueError(f"its model_type is {kind!r}, not 'clip'")
            own = {"local_files_only": True, "trust_remote_code": False}
            with quiet(), torch.random.fork_rng(devices=[]):
                # The processor's kind is named: which one the library takes depends on what else is installed.
                processor = AutoImageProcessor.from_pretrained(str(folder), backend="pil", **own)
                tokenizer = CLIPTokenizer.from_pretrained(str(folder), **own)
                model, report = CLIPModel.from_pretrained(
                    str(folder), dtype=torch.float32, use_safetensors=True, output_loading_info=True, **own
                )
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # untrusted configs: a library can raise anything
            what = f"{name}: is no CLIP of transformers: {type(error).__name__}: {library_reason(error)}"
            raise SourceError(f"'{folder}': {what}") from None
        if missing := sorted(report["missing_keys"]):  # the library draws them at random
            raise SourceError(f"'{folder}': its weights lack {len(missing)} of the model's, e.g. {missing[0]}")
        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(name, model.eval().to(where), tokenizer, processor, where)

    @property
    def scale(self) -> float:
        """What the model multiplies cosines by, ``logit_scale.exp()``."""
        return float(self.model.logit_scale.detach().exp())

    def cosines(self, subjects: Sequence[Subject]) -> list[float]:
        """Return the cosine of each image and its prompt; of a prompt that is too long the beginning counts.

        Raises:
            RunError: if the model gives no numbers, or undefined ones.
        """
        import torch

        pixels = self.processor(images=[one.image for one in subjects], return_tensors="pt").pixel_values
        words = self.tokenizer(
            [one.prompt for one in subjects],
            padding=True,
            truncation=True,
            max_length=self.model.config.text_config.max_position_embeddings,
            return_tensors="pt",
        )
        with torch.inference_mode():
            found = self.model(
                input_ids=words.input_ids.to(self.device),
                attention_mask=words.attention_mask.to(self.device),
                pixel_values=pixels.to(self.device),
            )
            cosines = (found.image_embeds * found.text_embeds).sum(1)  # both are of length 1
        if len(cosines) != len(subjects) or not bool(torch.isfinite(cosines).all()):
            raise RunError(f"{self.name}: the model gives no numbers for an image, or undefined ones")
        return [float(one) for one in cosines]
