"""Stable Diffusion XL and what was fine-tuned from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tcdflow.errors import Problem
from tcdflow.parts.families.stable_diffusion import StableDiffusion
from tcdflow.spec.family import FAMILIES, Vectors

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec

_XL = "stable_diffusion_xl.pipeline_stable_diffusion_xl"


class SDXL(StableDiffusion):
    """A larger UNet with two text encoders (arXiv 2307.01952)."""

    summary = "Stable Diffusion XL and its fine-tunes, 1024 × 1024"
    architecture = "sdxl"
    tokenizers = ("tokenizer", "tokenizer_2")
    text_width = 2048
    layers_left_out = 1
    in_file_names = re.compile(r"xl", re.I)
    pipelines: ClassVar = {
        "text_to_image": f"{_XL}:StableDiffusionXLPipeline",
        "image_to_image": f"{_XL}_img2img:StableDiffusionXLImg2ImgPipeline",
        "inpainting": f"{_XL}_inpaint:StableDiffusionXLInpaintPipeline",
    }

    def loading_options(self, spec: RunSpec) -> dict[str, Any]:
        """Leave out the watermark: it appears or not with an unrelated package, and pixels must not depend on that."""
        return {"add_watermarker": False}

    def _second_prompts(self, spec: RunSpec) -> dict[str, str]:
        found = {"prompt_2": spec.prompt_2, "negative_prompt_2": spec.negative_prompt_2}
        if spec.negative_prompt_2 is not None and not spec.negative_prompt:
            found["negative_prompt"] = ""  # None would mean zeros for both encoders
        return {name: text for name, text in found.items() if text is not None}

    def _encoded(self, pipe: Any, spec: RunSpec, device: Any, vectors: Vectors) -> tuple[Any, ...]:
        from tcdflow.parts.families._clip import encode, encoders

        both = encoders(pipe, spec, device, vectors, penultimate=True)
        return encode(both, spec, zeros=pipe.config.force_zeros_for_empty_prompt)

    def conditions(self, embeds: Mapping[str, Any], time_ids: Any) -> dict[str, Any]:
        """Return the text, and what SDXL's time embedding takes beside the timestep."""
        added = {"text_embeds": embeds["pooled_prompt_embeds"], "time_ids": time_ids}
        return {"encoder_hidden_states": embeds["prompt_embeds"], "added_cond_kwargs": added}

    def time_ids(
        self, original: tuple[int, int], corner: tuple[int, int], size: tuple[int, int]
    ) -> tuple[int, ...] | None:
        """Return SDXL's micro-conditioning (arXiv 2307.01952, section 2.2)."""
        return (*original, *corner, *size)

    def problems(self, spec: RunSpec) -> Iterator[Problem]:
        """Yield a safety checker, which SDXL has not."""
        if spec.base.safety_checker:
            yield Problem("base.safety_checker", "SDXL has none", True)


FAMILIES.add("sdxl", SDXL())
