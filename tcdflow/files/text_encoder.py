"""How deep the text encoders of a base are, read from their configs without torch."""

from __future__ import annotations

from pathlib import Path

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files.artifact import Artifacts
from tcdflow.files.model_index import read_config
from tcdflow.spec.model import RunSpec


def check_clip_skip(spec: RunSpec, artifacts: Artifacts) -> None:
    """Refuse to skip more layers than a text encoder has, where its config is on this machine.

    Raises:
        ConfigError: if there are too few.
    """
    skip = spec.sampling.clip_skip
    base = artifacts.by_role.get("base")
    if skip is None or base is None:
        return
    counts = [_layers(base.root / f"{name}/config.json") for name in ("text_encoder", "text_encoder_2")]
    known = [count for count in counts if count is not None]
    if not known:
        return
    # SDXL takes the layer before the last where nothing is skipped, the others the last one.
    most = min(known) - (1 if len(known) > 1 else 0)
    if skip > most:
        what = f"must be at most {most}: the text encoder of this base has {min(known)} layers"
        raise ConfigError([Problem("sampling.clip_skip", what, skip)])


def _layers(config: Path) -> int | None:
    """Return the number of layers that a config names; None if there is no such file, or it names none."""
    try:
        layers = read_config(config).get("num_hidden_layers")
    except (OSError, SourceError):
        return None
    return layers if isinstance(layers, int) and not isinstance(layers, bool) else None
