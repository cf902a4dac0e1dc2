"""The ``parameters`` text that A1111's web UI puts into PNGs, and that galleries read."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tcdflow._version import __version__
from tcdflow.files.lock import LockedFile
from tcdflow.prompts.tags import without_lora_tags
from tcdflow.spec.model import RunSpec


def parameters(spec: RunSpec, lock: Sequence[LockedFile], seed: int) -> str:
    """Return the text: prompt with its LoRA tags, negative prompt, then ``Name: value`` pairs on one line."""
    tags = "".join(
        f" <lora:{name}:{lora.weight if isinstance(lora.weight, float) else 1:g}>" for name, lora in spec.loras.items()
    )
    lines = [_on_one_line(spec.prompt) + tags]
    if spec.negative_prompt:
        lines.append("Negative prompt: " + _on_one_line(spec.negative_prompt))
    sampling = spec.sampling
    pairs = {
        "Steps": str(sampling.steps),
        "Sampler": spec.scheduler.a1111_name,
        "CFG scale": f"{sampling.guidance_scale:g}",
        "Seed": str(seed),
        "Size": f"{spec.width}x{spec.height}",
        **_model(spec, lock),
        "Eta": f"{sampling.eta:g}",
    }
    if getattr(spec.scheduler, "use_karras_sigmas", None):
        pairs["Schedule type"] = "Karras"
    if sampling.clip_skip:
        # There the last layer of the text encoder is 1, and SDXL's usual one is 2.
        pairs["Clip skip"] = str(sampling.clip_skip + 1 + spec.family.layers_left_out)
    loras = {f.role.removeprefix("loras."): f.sha256 for f in lock if f.role.startswith("loras.")}
    if loras:
        pairs["Lora hashes"] = json.dumps(", ".join(f"{name}: {digest[:12]}" for name, digest in loras.items()))
    embeddings = {f.role.removeprefix("embeddings."): f.sha256 for f in lock if f.role.startswith("embeddings.")}
    words = {spec.embedding_tokens[name]: digest for name, digest in embeddings.items()}
    if words:
        pairs["TI hashes"] = json.dumps(", ".join(f"{word}: {digest[:12]}" for word, digest in words.items()))
    # Once more as JSON, the form that Civitai looks for: the beginning of each file's SHA-256.
    hashes = {"model": pairs["Model hash"]} if "Model hash" in pairs else {}
    hashes |= {f"lora:{name}": digest[:10] for name, digest in loras.items()}
    hashes |= {f"embed:{word}": digest[:10] for word, digest in words.items()}
    if hashes:
        pairs["Hashes"] = json.dumps(hashes)
    pairs["Version"] = f"tcdflow {__version__}"
    lines.append(", ".join(f"{name}: {value}" for name, value in pairs.items()))
    return "\n".join(lines)


def _on_one_line(prompt: str) -> str:
    """Return a prompt without the tags of LoRAs that it names and that nothing loads: readers take them for loaded."""
    return " ".join(without_lora_tags(prompt).splitlines())


def _model(spec: RunSpec, lock: Sequence[LockedFile]) -> dict[str, str]:
    weights = [f for f in lock if f.role == "base" and f.file.endswith(".safetensors")]
    unet = next(
        (f for f in weights if f.file.startswith(f"{spec.family.denoiser_folder}/")), weights[0] if weights else None
    )
    name = spec.base.source.removeprefix("embedded:").rstrip("/").rpartition("/")[2].split("@")[0]
    plain = "".join(c for c in name.removesuffix(".safetensors") if c not in ',:"\n')
    return {"Model hash": unet.sha256[:10], "Model": plain} if unet else {"Model": plain}
