"""Each workflow of the guide, and what people add to one, on the card: the pixels of the script that it is written as.

On a CPU `tests/fidelity` shows the same, against scripts of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

import tcdflow
from tests.fidelity.from_record import assert_script_makes

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("card")]

SDXL = ("base.source=SDXL", "loras.tcd.source=TCD_SDXL")
SD15 = ("base=sd15", "base.source=SD15", "loras.tcd.source=TCD_SD15", "prompt=a tiger")
PAINTED = ("task=inpainting", "task.image=PHOTO", "task.mask=MASK", "task.strength=0.8")

WORKFLOWS = {
    "text to image": ("experiment=text_to_image", *SDXL),
    "inpainting": (
        "experiment=inpainting",
        *SDXL,
        "base.source=NINE_CHANNELS",
        "task.image=PHOTO",
        "task.mask=MASK",
    ),
    "community model": ("experiment=community_model", *SDXL, "base.source=FINETUNED"),
    "styled LoRA": ("experiment=styled_lora", *SDXL, "loras.papercut.source=STYLE"),
    "depth": (
        "experiment=controlnet_depth",
        *SDXL,
        "adapters.depth.source=DEPTH",
        "adapters.depth.preprocessor.source=ESTIMATOR",
        "adapters.depth.image=PHOTO",
    ),
    "canny": ("experiment=controlnet_canny", *SDXL, "adapters.canny.source=CANNY", "adapters.canny.image=EDGES"),
    "IP-Adapter": (
        "experiment=ip_adapter",
        *SDXL,
        "adapters.ip_adapter.source=IP_ADAPTER/sdxl_models/ip-adapter_sdxl.safetensors",
        "adapters.ip_adapter.image_encoder=IP_ADAPTER/sdxl_models/image_encoder",
        "adapters.ip_adapter.images=PHOTO",
    ),
    "animation": (
        "experiment=animation",
        "base.source=SD15",
        "loras.tcd.source=TCD_SD15",
        "loras.zoom_in.source=ZOOM/diffusion_pytorch_model.safetensors",
        "adapters.motion.source=MOTION",
    ),
    "SD 1.5": ("experiment=sd15", "base.source=SD15", "loras.tcd.source=TCD_SD15"),
    "SD 2.1-base": ("experiment=sd21_base", "base.source=SD21", "loras.tcd.source=TCD_SD21"),
    "a batch of image to image": (
        *SD15,
        "task=image_to_image",
        "task.image=PHOTO",
        "sampling.num_images=3",
        "runtime.batch_size=2",
    ),
    "four channels, pasted back": (*SD15, *PAINTED, "task.paste_back=true"),
    "tiles and a sketch": (
        *SD15,
        "++adapters.a={kind: t2i_adapter, family: sd15, source: GREY, image: PHOTO, preprocessor: {name: tile}}",
        "++adapters.b={kind: t2i_adapter, family: sd15, source: COLOUR, image: PHOTO, preprocessor: {name: invert}}",
    ),
    "guidance, and noise drawn on the card": (
        *SD15,
        "sampling.guidance_scale=3",
        "negative_prompt=blurry",
        "sampling.clip_skip=1",
        "sampling.generator=device",
    ),
    "weights by block": (*SD15, "loras.tcd.weight={unet: {down: 0.2, mid: 0.9}}", "lora_stack.fuse=false"),
    "one file, with another VAE": (*SD15, "base.source=CHECKPOINT", "base.config=SD15", "base.vae=VAE"),
    "a tiny VAE, and a sampler of second order": (
        *SD15,
        "runtime.tiny_vae=TINY",
        "scheduler=dpmpp_2m",
        "scheduler.use_karras_sigmas=true",
    ),
}
"""By name their overrides. Paths stand in capitals."""


def asked(words: Iterable[str], paths: Mapping[str, Path]) -> list[str]:
    """The overrides of a workflow, with its paths in them."""
    said = ["base.size=64", *words]
    for word in sorted(paths, key=len, reverse=True):
        said = [text.replace(word, str(paths[word])) for text in said]
    return said


@pytest.mark.parametrize("name", WORKFLOWS)
def test_pixels_of_its_script(name: str, paths: dict[str, Path], tmp_path: Path) -> None:
    made = tcdflow.run(*asked(WORKFLOWS[name], paths), "runtime.device=cuda", f"hydra.run.dir={tmp_path}")
    assert made.record.environment["device"] == "cuda"
    assert_script_makes(made)
