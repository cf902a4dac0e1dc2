"""ControlNets and IP-Adapters in other combinations than the guide's: several at once, and in other tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import diffusers
import numpy as np
import pytest
from diffusers.utils import load_image
from PIL import Image

from tests.fidelity import by_hand, scripts
from tests.fidelity.conftest import Run, Thin, Write
from tests.fidelity.same import assert_same
from tests.standins import AdapterFamily, StandIns

PROMPT = "a furry blue bird"

# A second adapter of a kind is a user's own option of the group.
SECOND = {
    "adapters/second_ip.yaml": """
second_ip:
  kind: ip_adapter
  family: sdxl
  source: ???
  image_encoder: ${..ip_adapter.image_encoder}
  images: ???
  size: 48
  scale: 0.8
"""
}


def canny(path: Path) -> Image.Image:
    lines = cv2.Canny(np.array(scripts.photo(path)), 100, 200)
    return Image.fromarray(np.concatenate([lines[:, :, None]] * 3, axis=2))


def test_two_controlnets(run: Run, standins: StandIns, thin: Thin, photo: Path, second_photo: Path) -> None:
    base, tcd = standins.sd15, thin("sd15", "tcd")
    depth, edges = standins.controlnet("sd15", "depth"), standins.controlnet("sd15", "canny")
    made = run(
        "base=sd15",
        "base.size=64",
        f"base.source={base}",
        f"loras.tcd.source={tcd}",
        "adapters=[depth_sd15,canny_sd15]",
        f"adapters.depth.source={depth}",
        f"adapters.depth.preprocessor.source={standins.depth_estimator}",
        f"adapters.depth.image={photo}",
        "adapters.depth.scale=0.7",
        "adapters.depth.end=0.6",
        f"adapters.canny.source={edges}",
        f"adapters.canny.image={second_photo}",
        "adapters.canny.scale=0.9",
        "adapters.canny.start=0.3",
        f"prompt={PROMPT}",
    )
    pipe = scripts.pipeline(
        diffusers.StableDiffusionControlNetPipeline,
        base,
        loras=((tcd, 1.0),),
        fuse=True,
        controlnets=(depth, edges),
    )
    control = by_hand.depth_map(standins.depth_estimator, load_image(str(photo)))
    expected = scripts.image(
        pipe,
        PROMPT,
        image=[control, canny(second_photo)],
        controlnet_conditioning_scale=[0.7, 0.9],
        control_guidance_start=[0.0, 0.3],
        control_guidance_end=[0.6, 1.0],
    )
    assert_same(made.images[0], expected)


CONTROLLED = {
    ("sd15", "image_to_image"): diffusers.StableDiffusionControlNetImg2ImgPipeline,
    ("sd15", "inpainting"): diffusers.StableDiffusionControlNetInpaintPipeline,
    ("sdxl", "image_to_image"): diffusers.StableDiffusionXLControlNetImg2ImgPipeline,
    ("sdxl", "inpainting"): diffusers.StableDiffusionXLControlNetInpaintPipeline,
}


@pytest.mark.parametrize(("family", "task"), CONTROLLED)
def test_controlnet_in_other_tasks(
    run: Run, standins: StandIns, thin: Thin, photo: Path, second_photo: Path, mask: Path, family: Any, task: str
) -> None:
    base, tcd, net = standins.base(family), thin(family, "tcd"), standins.controlnet(family, "canny")
    painting = [f"task.mask={mask}"] if task == "inpainting" else []
    made = run(
        f"base={family}",
        "base.size=64",
        f"base.source={base}",
        f"loras.tcd.source={tcd}",
        f"task={task}",
        f"task.image={photo}",
        "task.strength=0.9",
        *painting,
        "adapters=[canny_sd15]" if family == "sd15" else "adapters=[canny]",
        f"adapters.canny.source={net}",
        f"adapters.canny.image={second_photo}",
        "adapters.canny.scale=0.8",
        f"prompt={PROMPT}",
        "sampling.steps=5",
    )
    pipe = scripts.pipeline(CONTROLLED[family, task], base, loras=((tcd, 1.0),), fuse=True, controlnets=(net,))
    expected = scripts.image(
        pipe,
        PROMPT,
        image=scripts.photo(photo),
        control_image=canny(second_photo),
        controlnet_conditioning_scale=0.8,
        strength=0.9,
        num_inference_steps=5,
        **({"mask_image": scripts.photo(mask)} if painting else {}),
    )
    assert_same(made.images[0], expected)


def test_two_ip_adapters(
    run: Run, standins: StandIns, thin: Thin, photo: Path, second_photo: Path, configs: Write
) -> None:
    """The first has two images and a scale by block."""
    base, tcd = standins.sdxl, thin("sdxl", "tcd")
    folder = standins.ip_adapter / "sdxl_models"
    made = run(
        "base=sdxl",
        "base.size=64",
        f"base.source={base}",
        f"loras.tcd.source={tcd}",
        "adapters=[ip_adapter,second_ip]",
        f"adapters.ip_adapter.source={folder / 'ip-adapter_sdxl.safetensors'}",
        f"adapters.ip_adapter.image_encoder={folder / 'image_encoder'}",
        f"adapters.ip_adapter.images=[{photo},{second_photo}]",
        "adapters.ip_adapter.scale={down: {block_2: [0.2, 0.9]}, up: {block_0: [0.1, 0.7, 0.3]}}",
        f"adapters.second_ip.source={folder / 'ip-adapter_sdxl_second.safetensors'}",
        f"adapters.second_ip.images={second_photo}",
        f"prompt={PROMPT}",
        config_dir=configs(SECOND),
    )
    pipe = scripts.pipeline(
        diffusers.StableDiffusionXLPipeline,
        base,
        loras=((tcd, 1.0),),
        fuse=True,
        ip_adapters=((folder, "ip-adapter_sdxl.safetensors"), (folder, "ip-adapter_sdxl_second.safetensors")),
    )
    pipe.set_ip_adapter_scale([{"down": {"block_2": [0.2, 0.9]}, "up": {"block_0": [0.1, 0.7, 0.3]}}, 0.8])
    first, second = load_image(str(photo)), load_image(str(second_photo))
    expected = scripts.image(pipe, PROMPT, ip_adapter_image=[[first, second], second.resize((48, 48))])
    assert_same(made.images[0], expected)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_controlnet_and_ip_adapter_and_two_loras(
    run: Run, standins: StandIns, thin: Thin, photo: Path, second_photo: Path, family: AdapterFamily
) -> None:
    xl = family == "sdxl"
    base, tcd, style = standins.base(family), thin(family, "tcd"), thin(family, "style_text")
    net = standins.controlnet(family, "canny")
    folder = standins.ip_adapter / ("sdxl_models" if xl else "models")
    file = f"ip-adapter_{family}.safetensors"
    asked = [
        f"base={family}",
        "base.size=64",
        f"base.source={base}",
        "loras=[tcd,papercut]",
        f"loras.tcd.source={tcd}",
        f"loras.papercut.source={style}",
        f"loras.papercut.family={family}",
        "loras.papercut.weight=0.7",
        "adapters=[canny,ip_adapter]" if xl else "adapters=[canny_sd15,ip_adapter_sd15]",
        f"adapters.canny.source={net}",
        f"adapters.canny.image={photo}",
        "adapters.canny.scale=0.6",
        f"adapters.ip_adapter.source={folder / file}",
        f"adapters.ip_adapter.image_encoder={folder / 'image_encoder'}",
        f"adapters.ip_adapter.images={second_photo}",
        "adapters.ip_adapter.scale=0.45",
        f"prompt={PROMPT}",
    ]
    cls = diffusers.StableDiffusionXLControlNetPipeline if xl else diffusers.StableDiffusionControlNetPipeline
    pipe = scripts.load(
        cls,
        base,
        loras=((tcd, 1.0), (style, 0.7)),
        controlnets=(net,),
        ip_adapters=((folder, file),),
    )
    pipe.set_ip_adapter_scale(0.45)
    call = {
        "image": canny(photo),
        "controlnet_conditioning_scale": 0.6,
        "ip_adapter_image": load_image(str(second_photo)),
    }
    assert_same(run(*asked, "lora_stack.fuse=false").images[0], scripts.image(pipe, PROMPT, **call))
    pipe.fuse_lora(adapter_names=["lora0", "lora1"])
    assert_same(run(*asked, "lora_stack.fuse=true").images[0], scripts.image(pipe, PROMPT, **call))
