"""The known name nearest to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_SYNONYMS = {
    "cfg": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "guidance": "guidance_scale",
    "gamma": "eta",
    "sampler": "scheduler",
    "sampler_name": "scheduler",
    "model": "base",
    "checkpoint": "base",
    "lora": "loras",
    "controlnet": "adapters",
    "control_net": "adapters",
    "textual_inversion": "embeddings",
    "ip_adapter": "adapters",
    "denoising_strength": "strength",
    "strength": "weight",
    "scale": "weight",
    "multiplier": "weight",
    "path": "source",
    "file": "source",
    "ckpt": "source",
    "init_image": "image",
    "input_image": "image",
    "init_img": "image",
    "mask_image": "mask",
    "size": "width",
    "resolution": "width",
    "num_inference_steps": "steps",
    "num_steps": "steps",
    "batch_count": "num_images",
    "n_iter": "num_images",
    "n_samples": "num_images",
    "num_images_per_prompt": "num_images",
    "negative": "negative_prompt",
    "output_dir": "hydra.run.dir",
    "outdir": "hydra.run.dir",
    "gpu": "cuda",
    "fp16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
}
"""What other tools call it."""


def nearest(name: str, known: Iterable[str], likeness: float = 0.55) -> str | None:
    """Return the member of ``known`` closest to ``name``, or None if none is close.

    Args:
        name: as somebody wrote it.
        known: names that are right.
        likeness: from 0 to 1, how close the closest has to be.
    """
    candidates = list(known)
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    for spelling in (name.lower(), _SYNONYMS.get(name.lower().replace("-", "_"))):
        if spelling in by_lower:
            return by_lower[spelling]
    matches = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=likeness)
    return by_lower[matches[0]] if matches else None


def called_here(name: str) -> str:
    """Return what a name of other tools is called here, or the name itself."""
    return _SYNONYMS.get(name.lower().replace("-", "_"), name)
