"""Vectors of textual inversion embeddings, read from their files for the text encoders of a pipeline."""

from __future__ import annotations

from typing import Any

import torch
from safetensors import safe_open

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files import embedding
from tcdflow.files.artifact import Artifacts
from tcdflow.files.safetensors_header import read_header
from tcdflow.spec.model import RunSpec


def load(pipe: Any, spec: RunSpec, artifacts: Artifacts) -> dict[str, tuple[torch.Tensor, ...]]:
    """Read the vectors of a run's embeddings; the pipeline is left as it is.

    Raises:
        ConfigError: naming each embedding that does not fit the text encoders.
    """
    if not spec.embeddings:
        return {}
    encoders = [getattr(pipe, name.replace("tokenizer", "text_encoder")) for name in spec.family.tokenizers]
    widths = [encoder.get_input_embeddings().embedding_dim for encoder in encoders]
    found: dict[str, tuple[torch.Tensor, ...]] = {}
    problems: list[Problem] = []
    for name, own in spec.embeddings.items():
        path = artifacts.by_role[f"embeddings.{name}"].path
        try:
            names = embedding.names(read_header(path).shapes, widths)
        except SourceError as error:
            problems.append(Problem(f"embeddings.{name}.source", str(error), own.source))
            continue
        with safe_open(str(path), framework="pt") as file:
            found[name] = tuple(
                file.get_tensor(tensor).view(-1, width) for tensor, width in zip(names, widths, strict=True)
            )
    if problems:
        raise ConfigError(problems)
    return found
