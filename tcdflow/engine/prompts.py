"""Prompt embeddings, computed once for each distinct prompt."""

from __future__ import annotations

from typing import Any

import torch

from tcdflow.libraries.transformers import with_text_model
from tcdflow.spec.model import RunSpec

MAX_ENTRIES = 256


class PromptCache:
    """Remembers the embeddings of the latest prompts, on one pipeline with one LoRA stack."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._entries: dict[tuple[Any, ...], dict[str, Any]] = {}

    def embeds(self, pipe: Any, spec: RunSpec) -> dict[str, Any]:
        """Return the keyword arguments that stand for the prompt in a call of ``pipe``.

        An empty negative prompt is passed as None, as a script that names none does: SDXL then uses zeros.
        """
        key = (spec.prompt, spec.negative_prompt, spec.guided, spec.sampling.clip_skip)
        if key not in self._entries:
            if len(self._entries) >= MAX_ENTRIES:
                self._entries.pop(next(iter(self._entries)))
            self._entries[key] = _encode(pipe, spec, self._device)
        return self._entries[key]


def _encode(pipe: Any, spec: RunSpec, device: torch.device) -> dict[str, Any]:
    names = (
        "prompt_embeds",
        "negative_prompt_embeds",
        "pooled_prompt_embeds",
        "negative_pooled_prompt_embeds",
    )
    with torch.no_grad(), with_text_model(pipe.text_encoder):
        encoded = pipe.encode_prompt(
            prompt=spec.prompt,
            device=device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=spec.guided,
            negative_prompt=spec.negative_prompt or None,
            clip_skip=spec.sampling.clip_skip,
        )
    return {name: value for name, value in zip(names, encoded, strict=False) if value is not None}
