"""Text encoders of which the weights lack a part: transformers fills it with random numbers, and says so in a log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tcdflow.errors import ConfigError, Problem
from tcdflow.files.artifact import Artifact
from tcdflow.files.layout import WEIGHTS
from tcdflow.files.safetensors_header import read_header


def check_whole(components: Mapping[str, Any], base: Artifact) -> None:
    """Refuse a base whose text encoders have weights that no file of theirs holds.

    Args:
        components: of the pipeline, just loaded from a folder.
        base: its files; what is not safetensors is not looked at.

    Raises:
        ConfigError: naming the component and a weight.
    """
    for name, part in components.items():
        paths = [base.root / file for file in base.files if file.startswith(f"{name}/") and file.endswith(WEIGHTS)]
        if not name.startswith("text_encoder") or not isinstance(part, torch.nn.Module) or not paths:
            continue
        held = {_bare(weight) for path in paths for weight in read_header(path).shapes}
        lacking = [weight for weight, _ in part.named_parameters() if _bare(weight) not in held]
        if lacking:
            raise ConfigError([Problem("base.source", f"{name}: its weights lack {len(lacking)}, e.g. {lacking[0]}")])


def _bare(weight: str) -> str:
    """Return a weight's name without the prefix that transformers' versions have and have not."""
    return weight.removeprefix("text_model.")
