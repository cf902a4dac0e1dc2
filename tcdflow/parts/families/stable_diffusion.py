"""Stable Diffusion: 1.5 and 2.1-base."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tcdflow.spec.family import FAMILIES, Family, Vectors
from tcdflow.spec.prompt import PromptEncodingSpec
from tcdflow.spec.script import Lines, cannot_write, literal

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec

_EMBEDS = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
"""What diffusers' ``encode_prompt`` returns, by the names under which a pipeline's call takes it."""


class StableDiffusion(Family):
    """A UNet with one CLIP text encoder, and what follows its layout."""

    architecture = "sd"
    tokenizers: ClassVar[tuple[str, ...]] = ("tokenizer",)
    pipelines: ClassVar = {
        "text_to_image": "stable_diffusion.pipeline_stable_diffusion:StableDiffusionPipeline",
        "image_to_image": "stable_diffusion.pipeline_stable_diffusion_img2img:StableDiffusionImg2ImgPipeline",
        "inpainting": "stable_diffusion.pipeline_stable_diffusion_inpaint:StableDiffusionInpaintPipeline",
    }

    def denoiser(self, pipe: Any) -> Any:
        """Return the UNet."""
        return pipe.unet

    def loading_options(self, spec: RunSpec) -> dict[str, Any]:
        """Leave the safety checker out unless it is asked for."""
        return {} if spec.base.safety_checker else {"safety_checker": None, "requires_safety_checker": False}

    def encode(self, pipe: Any, spec: RunSpec, device: Any, vectors: Vectors) -> dict[str, Any]:
        """Return prompt embeddings, by diffusers' own ``encode_prompt`` where that can do what is asked.

        An empty negative prompt is passed as None, as a script that names none does: SDXL then uses zeros.
        """
        if spec.embeddings or spec.prompt_encoding != PromptEncodingSpec():
            return self._named(self._encoded(pipe, spec, device, vectors))
        from tcdflow.libraries.transformers import with_text_model

        arguments = {
            "prompt": spec.prompt,
            "device": device,
            "num_images_per_prompt": 1,
            "do_classifier_free_guidance": spec.guided,
            "negative_prompt": spec.negative_prompt or None,
            "clip_skip": spec.sampling.clip_skip,
        }
        with with_text_model(pipe.text_encoder):
            encoded = pipe.encode_prompt(**arguments | self._second_prompts(spec))
        return self._named(encoded)

    def script(self, spec: RunSpec) -> Lines:
        encoding = spec.prompt_encoding
        for key, usual in PromptEncodingSpec().model_dump().items():
            if (said := getattr(encoding, key)) != usual:
                raise cannot_write(f"prompt_encoding.{key}", f"prompt_encoding.{key}={said}")
        if spec.embeddings:
            raise cannot_write("embeddings", "textual inversion embeddings")
        negative = {"negative_prompt": spec.negative_prompt} if spec.guided and spec.negative_prompt else {}
        texts = {"prompt": spec.prompt, **negative, **self._second_prompts(spec)}
        lines = Lines(call={name: literal(text) for name, text in texts.items()})
        if spec.sampling.clip_skip is not None:
            lines.call["clip_skip"] = literal(spec.sampling.clip_skip)
            if len(self.tokenizers) == 1:
                why = "diffusers looks for it when layers are skipped, transformers >= 5.6 has none"
                lines.configure.append(f'vars(pipe.text_encoder)["text_model"] = pipe.text_encoder  # {why}')
        return lines

    def _second_prompts(self, spec: RunSpec) -> dict[str, str]:
        """Return the prompts of a second text encoder, as ``encode_prompt`` takes them."""
        return {}

    def _encoded(self, pipe: Any, spec: RunSpec, device: Any, vectors: Vectors) -> tuple[Any, ...]:
        """Return what ``encode_prompt`` would, with weights, chunks and embeddings."""
        from tcdflow.parts.families._clip import encode, encoders

        prompt, negative, *_ = encode(encoders(pipe, spec, device, vectors, penultimate=False), spec, zeros=False)
        return prompt, negative

    @staticmethod
    def _named(encoded: Sequence[Any]) -> dict[str, Any]:
        return {name: value for name, value in zip(_EMBEDS, encoded, strict=False) if value is not None}


class SD15(StableDiffusion):
    """Stable Diffusion 1.5 and what was fine-tuned from it."""

    summary = "Stable Diffusion 1.5 and its fine-tunes, 512 × 512"
    text_width = 768
    in_file_names = re.compile(r"sd[-_ ]?v?1[-_.]?[45]|v1[-_.][45]|ft[-_]mse|taesd(?!xl|3)", re.I)


class SD21(StableDiffusion):
    """Stable Diffusion 2.1-base and what was fine-tuned from it."""

    summary = "Stable Diffusion 2.1-base and its fine-tunes, 512 × 512"
    text_width = 1024
    layers_left_out = 1  # the text encoder is saved without it
    in_file_names = re.compile(r"sd[-_ ]?v?2|v2[-_.][01]|ft[-_]mse|taesd(?!xl|3)", re.I)


FAMILIES.add("sd15", SD15())
FAMILIES.add("sd21", SD21())
