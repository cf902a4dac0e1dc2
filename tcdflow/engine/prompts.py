"""Prompt embeddings, computed once for each distinct prompt."""

from __future__ import annotations

from typing import Any

import torch

from tcdflow.engine.fingerprint import fingerprint
from tcdflow.files.artifact import Artifacts
from tcdflow.files.opened import opened
from tcdflow.pipeline import embeddings
from tcdflow.spec.model import RunSpec

MAX_ENTRIES = 256


class PromptCache:
    """Remembers the embeddings of the latest prompts, on one pipeline with one LoRA stack."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._entries: dict[tuple[Any, ...], dict[str, Any]] = {}

    def embeds(self, pipe: Any, spec: RunSpec, artifacts: Artifacts) -> dict[str, Any]:
        """Return the keyword arguments that stand for the prompt in a call of ``pipe``.

        Raises:
            ConfigError: if a textual inversion embedding does not fit the text encoders.
        """
        texts = (spec.prompt, spec.negative_prompt, spec.prompt_2, spec.negative_prompt_2)
        vectors = tuple(
            (token, fingerprint(artifacts.by_role[f"embeddings.{name}"]))
            for name, token in spec.embedding_tokens.items()
        )
        key = (texts, spec.prompt_encoding, vectors, spec.guided, spec.sampling.clip_skip)
        if key not in self._entries:
            if len(self._entries) >= MAX_ENTRIES:
                self._entries.pop(next(iter(self._entries)))
            with torch.no_grad():
                with opened(Artifacts.of(artifacts.by_role[f"embeddings.{name}"] for name in spec.embeddings)) as files:
                    found = embeddings.load(pipe, spec, files)
                self._entries[key] = spec.family.encode(pipe, spec, self._device, found)
        return self._entries[key]
