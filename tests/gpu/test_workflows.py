"""Each workflow of the guide, and what people add to one, on the card: the pixels of the script that it is written as.

On a CPU `tests/fidelity` shows the same, against scripts of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import tcdflow
from tests.fidelity.from_record import assert_script_makes
from tests.standins import StandIns

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


@pytest.fixture(scope="session")
def paths(standins: StandIns, photo: Path, mask: Path, edges: Path) -> dict[str, Path]:
    return {
        "SDXL": standins.sdxl,
        "SD15": standins.sd15,
        "SD21": standins.sd21_base,
        "NINE_CHANNELS": standins.sdxl_inpainting,
        "CHECKPOINT": standins.single_file("sd15"),
        "TCD_SDXL": standins.thin_lora_file("sdxl", "tcd"),
        "TCD_SD15": standins.thin_lora_file("sd15", "tcd"),
        "TCD_SD21": standins.lora("sd21", "tcd"),
        "STYLE": standins.lora("sdxl", "style"),
        "DEPTH": standins.controlnet("sdxl", "depth"),
        "CANNY": standins.controlnet("sdxl", "canny"),
        "ESTIMATOR": standins.depth_estimator,
        "IP_ADAPTER": standins.ip_adapter,
        "MOTION": standins.motion_adapter("v1-5"),
        "ZOOM": standins.motion_lora,
        "GREY": standins.t2i_adapter("sd15", grey=True),
        "COLOUR": standins.t2i_adapter("sd15"),
        "VAE": standins.other_vae("sd15"),
        "TINY": standins.tiny_vae,
        "PHOTO": photo,
        "MASK": mask,
        "EDGES": edges,
    }


@pytest.mark.parametrize("name", WORKFLOWS)
def test_pixels_of_its_script(name: str, paths: dict[str, Path], tmp_path: Path) -> None:
    said = ["base.size=64", "runtime.device=cuda", f"hydra.run.dir={tmp_path}", *WORKFLOWS[name]]
    for word in sorted(paths, key=len, reverse=True):
        said = [text.replace(word, str(paths[word])) for text in said]
    made = tcdflow.run(*said)
    assert made.record.environment["device"] == "cuda"
    assert_script_makes(made)
