"""VAEs in the place of a base's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tcdflow.errors import ConfigError, Problem
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.libraries.diffusers import quiet
from tcdflow.parts.pretrained import pretrained
from tcdflow.pipeline.loading import one_line


def components(artifacts: Artifacts, dtype: torch.dtype) -> dict[str, Any]:
    """Load the VAE that a run has beside its base, as the component ``vae``; nothing where it has none.

    A single file follows the config of the base's own VAE.

    Raises:
        ConfigError: if it is damaged, or no VAE of this shape.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    found = artifacts.by_role.get("base.vae")
    if found is None:
        return {}
    with one_line("base.vae", found.source, "cannot be loaded as AutoencoderKL"), quiet():
        if found.single:
            layout = artifacts.base_config or artifacts.base
            return {
                "vae": AutoencoderKL.from_single_file(
                    str(found.path), config=str(layout.root), subfolder="vae", dtype=dtype, local_files_only=True
                )
            }
        vae, missing = pretrained(AutoencoderKL, found, dtype)
    _whole(found, "AutoencoderKL", missing)
    return {"vae": vae}


def load_tiny(found: Artifact, dtype: torch.dtype) -> Any:
    """Load an ``AutoencoderTiny`` (TAESD), to take the place of ``pipe.vae``.

    Raises:
        ConfigError: if the folder holds no such model.
    """
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    with one_line("runtime.tiny_vae", found.source, "cannot be loaded"):
        vae, missing = pretrained(AutoencoderTiny, found, dtype)
    _whole(found, "AutoencoderTiny", missing)
    return vae


def _whole(found: Artifact, kind: str, missing: Sequence[str]) -> None:
    if missing:
        what = f"is not an {kind}: {len(missing)} of its weights are missing, e.g. {missing[0]}"
        raise ConfigError([Problem(found.key, what, found.source)])
