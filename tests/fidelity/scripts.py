"""Plain diffusers beyond the guide's scripts: how a pipeline is put together by hand. Nothing here knows tcdflow."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, TCDScheduler
from diffusers.utils import load_image
from PIL import Image

EDGE = 64


def load(
    cls: Any,
    base: Path,
    *,
    loras: tuple[tuple[Path, Any], ...] = (),
    fuse: bool = False,
    controlnets: tuple[Path, ...] = (),
    ip_adapters: tuple[tuple[Path, str], ...] = (),
    variant: str | None = None,
    config: Path | None = None,
) -> Any:
    """Load a base, then LoRAs, then IP-Adapters, in the guide's order, with TCDScheduler.

    The config of the base's own scheduler, from which to make another, is kept as ``base_scheduler_config``.

    Args:
        cls: class of the pipeline.
        base: its folder, or a single file that goes by the layout in ``config``.
        loras: folder or file, and weight.
        fuse: whether to fuse them.
        controlnets: their folders.
        ip_adapters: folder, and file in it; the image encoder is in ``image_encoder`` of the first folder.
        variant: of the base's weight files.
        config: see base.
    """
    parts: dict[str, Any] = {}
    nets = [ControlNetModel.from_pretrained(folder, dtype=torch.float32) for folder in controlnets]
    if nets:
        parts["controlnet"] = nets if len(nets) > 1 else nets[0]
    if config is None:
        pipe = cls.from_pretrained(base, variant=variant, dtype=torch.float32, **parts)
    else:
        pipe = cls.from_single_file(base, config=str(config), local_files_only=True, dtype=torch.float32, **parts)
    pipe.base_scheduler_config = pipe.scheduler.config
    pipe.scheduler = TCDScheduler.from_config(pipe.base_scheduler_config)
    names = [f"lora{number}" for number in range(len(loras))]
    for name, (file, _) in zip(names, loras, strict=True):
        pipe.load_lora_weights(file, adapter_name=name)
    if loras:
        pipe.set_adapters(names, adapter_weights=[weight for _, weight in loras])
    if fuse:
        pipe.fuse_lora(adapter_names=names)
    if ip_adapters:
        folders, files = zip(*ip_adapters, strict=True)
        pipe.load_ip_adapter(list(folders), subfolder=[""] * len(files), weight_name=list(files))
    return pipe


@lru_cache(maxsize=1)
def pipeline(cls: Any, base: Path, **options: Any) -> Any:
    """Load as :func:`load` does, or give the last one again, for tests of one pipeline that stand together.

    They set what a call depends on, and change nothing else in it.
    """
    return load(cls, base, **options)


def image(pipe: Any, prompt: str | None, **arguments: Any) -> Image.Image:
    """Call a pipeline as the guide does, where ``arguments`` (``seed`` is one more) say nothing else."""
    generator = torch.Generator("cpu").manual_seed(arguments.pop("seed", 0))
    call = {"guidance_scale": 0, "eta": 0.3, "num_inference_steps": 4} | arguments
    image: Image.Image = pipe(prompt=prompt, generator=generator, **call).images[0]
    return image


def photo(path: Path) -> Image.Image:
    image: Image.Image = load_image(str(path))
    return image.resize((EDGE, EDGE))
