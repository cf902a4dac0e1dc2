"""Relative depth by a dense prediction transformer (arXiv 2103.13413)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tcdflow.errors import RunError, SourceError
from tcdflow.spec.inputs import Size
from tcdflow.spec.preprocessor import PREPROCESSORS, Preprocessor
from tcdflow.spec.script import Lines, ScriptFiles, call
from tcdflow.spec.types import SourceText
from tcdflow.text import library_reason

if TYPE_CHECKING:
    import torch
    from PIL import Image

# DPT's first fusion layer has no residual to take in. The published checkpoints leave its weights out, and the model
# never uses what stands in for them.
_UNUSED = "neck.fusion_stage.layers.0.residual_layer1."


@PREPROCESSORS.register("depth")
class Depth(Preprocessor):
    """Relative depth by a dense prediction transformer (arXiv 2103.13413), near is white."""

    resizes = True  # a map is stretched to the run's size, which loses less than to stretch the image

    name: Literal["depth"]
    source: SourceText = Field("Intel/dpt-large", description="a DPT model with its image processor's config")

    def models(self) -> Mapping[str, str]:
        """Return the depth model."""
        return {"source": self.source}

    def __call__(self, image: Image.Image, size: Size, models: Mapping[str, Path], device: Any) -> Image.Image:
        """Return three equal channels, from 0 (farthest) to 255 (nearest)."""
        import torch

        # float32 on every device: a depth map is made once, and half precision bands it.
        return DepthEstimator(models["source"], device, torch.float32)(image, *size)

    def script(self, image: str, key: str, files: ScriptFiles) -> Lines:
        lines = Lines()
        width, height = files.size
        # Which of them DPTImageProcessor stands for depends on whether torchvision is installed.
        processor = "transformers.models.dpt.image_processing_pil_dpt"
        options = {"dtype": "torch.float32", "use_safetensors": "True"}
        lines.use(processor, "DPTImageProcessorPil")
        lines.use("transformers", "DPTForDepthEstimation")
        lines.inputs += [
            *call("processor = DPTImageProcessorPil.from_pretrained", files.place(key)),
            *call("estimator = DPTForDepthEstimation.from_pretrained", files.place(key) | options),
            "estimator.to(device)",
            "with torch.no_grad():",
            f'    pixels = processor(images={image}, return_tensors="pt").pixel_values.to(device)',
            "    depth = estimator(pixels).predicted_depth.unsqueeze(1)",
            'assert depth.min() < depth.max(), "the depth is the same everywhere"',
            "depth = torch.nn.functional.interpolate(",
            f'    depth, size=({height}, {width}), mode="bicubic", align_corners=False',
            ")",
            "depth = (depth - depth.amin()) / (depth.amax() - depth.amin())  # far is black, near is white",
            "grey = (depth[0, 0].cpu().numpy() * 255.0).clip(0, 255).astype(np.uint8)",
            f"{image} = Image.fromarray(np.stack([grey] * 3, axis=2))",
        ]
        lines.use("numpy as np")
        lines.use("PIL", "Image")
        return lines


class DepthEstimator:
    """A dense prediction transformer (arXiv 2103.13413) that draws relative depth, near white and far black.

    The arithmetic is the TCD guide's, step by step: weights in float32, the model under autocast if ``dtype`` is a
    half one, the rest in what comes out of it. Unlike there it works on a CPU, and a constant depth map is black.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        """Load the model from a local folder.

        Args:
            folder: config, safetensors weights and image processor's config of a DPTForDepthEstimation.
            device: where to compute.
            dtype: float32, or the half precision to run the model in.

        Raises:
            SourceError: if the folder holds no such model, or one that does not match its config.
        """
        import torch

        # The processor is named by its Pillow variant: what DPTImageProcessor stands for, and so the bits, depends on
        # whether torchvision happens to be installed.
        from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil
        from transformers.models.dpt.modeling_dpt import DPTForDepthEstimation

        from tcdflow.libraries.diffusers import quiet

        try:
            _check_kind(folder)
            # Published weights lack what the model never uses, which the library draws at random.
            with quiet(), torch.random.fork_rng(devices=[]):
                self._processor = DPTImageProcessorPil.from_pretrained(str(folder), local_files_only=True)
                model, report = DPTForDepthEstimation.from_pretrained(
                    str(folder),
                    dtype=torch.float32,
                    use_safetensors=True,
                    local_files_only=True,
                    output_loading_info=True,
                )
        except (SourceError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # untrusted configs: a library can raise anything
            what = f"is not a depth model: {type(error).__name__}: {library_reason(error)}"
            raise SourceError(f"'{folder}': {what}") from None
        missing = sorted(name for name in report["missing_keys"] if not name.startswith(_UNUSED))
        if missing:
            raise SourceError(f"'{folder}': its weights lack {len(missing)} of the model's, e.g. {missing[0]}")
        self._model: Any = model.to(device).eval()
        self._device, self._dtype = device, dtype

    def __call__(self, image: Image.Image, width: int, height: int) -> Image.Image:
        """Draw the depth of an image.

        Args:
            image: RGB image of any size.
            width: of the result, in pixels.
            height: of the result, in pixels.

        Returns:
            RGB image with three equal channels, stretched over 0 (farthest) to 255 (nearest); all black if the
            depth is the same everywhere.

        Raises:
            RunError: if the model answers with infinite or undefined numbers.
        """
        import numpy as np
        import torch
        from PIL import Image

        pixels = self._processor(images=image, return_tensors="pt").pixel_values.to(self._device)
        half = self._dtype != torch.float32
        with torch.no_grad(), torch.autocast(self._device.type, dtype=self._dtype if half else None, enabled=half):
            depth = self._model(pixels).predicted_depth
        if depth.dtype == torch.bfloat16:
            depth = depth.float()  # numpy has no bfloat16
        if not torch.isfinite(depth).all():
            raise RunError(f"the depth model gives infinite or undefined numbers in {self._dtype}")
        if depth.min() == depth.max():  # interpolated it would be a pattern of rounding errors
            return Image.new("RGB", (width, height))
        depth = torch.nn.functional.interpolate(
            depth.unsqueeze(1), size=(height, width), mode="bicubic", align_corners=False
        )
        lowest, highest = depth.amin(), depth.amax()
        spread = highest - lowest
        depth = (depth - lowest) / torch.where(spread > 0, spread, torch.ones_like(spread))
        grey = (depth[0, 0].cpu().numpy() * 255.0).clip(0, 255).astype(np.uint8)
        return Image.fromarray(np.stack([grey] * 3, axis=2))


def _check_kind(folder: Path) -> None:
    # transformers would fill the weights that another model lacks with random numbers, and merely warn.
    kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
    if kind != "dpt":
        raise ValueError(f"its config.json describes a model of type {kind!r}, not 'dpt'")
