"""Prompt embeddings, computed once for each distinct prompt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tcdflow.spec.model import RunSpec

MAX_ENTRIES = 256


class PromptCache:
    """Remembers the embeddings of the latest prompts, on one pipeline with one LoRA stack."""

    def __init__(self) -> None:
        self._entries: dict[tuple[Any, ...], dict[str, Any]] = {}

    def embeds(self, pipe: Any, spec: RunSpec) -> dict[str, Any]:
        """Return the keyword arguments that stand for the prompt in a call of ``pipe``.

        An empty negative prompt is passed as None, as a script that names none does: SDXL then uses zeros.
        """
        key = (spec.prompt, spec.negative_prompt, spec.guided, spec.sampling.clip_skip)
        if key not in self._entries:
            if len(self._entries) >= MAX_ENTRIES:
                self._entries.pop(next(iter(self._entries)))
            self._entries[key] = _encode(pipe, spec)
        return self._entries[key]


def _encode(pipe: Any, spec: RunSpec) -> dict[str, Any]:
    import torch

    names = (
        "prompt_embeds",
        "negative_prompt_embeds",
        "pooled_prompt_embeds",
        "negative_pooled_prompt_embeds",
    )
    with torch.no_grad(), _flat_encoder(pipe.text_encoder):
        encoded = pipe.encode_prompt(
            prompt=spec.prompt,
            device=pipe._execution_device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=spec.guided,
            negative_prompt=spec.negative_prompt or None,
            clip_skip=spec.sampling.clip_skip,
        )
    return {name: value for name, value in zip(names, encoded, strict=False) if value is not None}


@contextmanager
def _flat_encoder(encoder: Any) -> Iterator[None]:
    """Let diffusers find the parts of a text encoder where it looks for them when layers are skipped.

    transformers 5.6 took CLIPTextModel's ``text_model`` away and moved the parts up into the model itself
    (https://github.com/huggingface/diffusers/issues/14124). The name is put past torch's bookkeeping of submodules.
    """
    if hasattr(encoder, "text_model"):
        yield
        return
    vars(encoder)["text_model"] = encoder
    try:
        yield
    finally:
        del vars(encoder)["text_model"]
