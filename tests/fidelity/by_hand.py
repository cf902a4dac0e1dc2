"""The guide's scripts, as they have to be written today, on files of one's own: nothing here knows tcdflow.

What differs from the guide: ``dtype`` for ``torch_dtype``, float32 on a CPU for float16 on a GPU, the sources, the edge
of the images, TCDScheduler from diffusers itself, and diffusers' own IP-Adapter. The depth map is made without
autocast, which would give bfloat16 on a CPU. Prompts, steps, strengths and scales are the guide's: a test that compares
an experiment with one of these must not read them from the experiment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoPipelineForInpainting,
    ControlNetModel,
    MotionAdapter,
    StableDiffusionPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
    TCDScheduler,
)
from diffusers.utils import load_image
from PIL import Image
from transformers import DPTForDepthEstimation, DPTImageProcessor

EDGE = 64
"""Where the guide has 1024."""


def generator() -> torch.Generator:
    return torch.Generator(device="cpu").manual_seed(0)


def text_to_image(base: Path, tcd: Path) -> Image.Image:
    pipe = StableDiffusionXLPipeline.from_pretrained(base, dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(tcd)
    pipe.fuse_lora()
    prompt = (
        "Painting of the orange cat Otto von Garfield, Count of Bismarck-Schönhausen, Duke of Lauenburg, "
        "Minister-President of Prussia. Depicted wearing a Prussian Pickelhaube and eating his favorite meal - lasagna."
    )
    return _first(pipe(prompt=prompt, num_inference_steps=4, guidance_scale=0, eta=0.3, generator=generator()))


def inpainting(base: Path, tcd: Path, image: Path, mask: Path) -> Image.Image:
    pipe = AutoPipelineForInpainting.from_pretrained(base, dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(tcd)
    pipe.fuse_lora()
    return _first(
        pipe(
            prompt="a tiger sitting on a park bench",
            image=load_image(str(image)).resize((EDGE, EDGE)),
            mask_image=load_image(str(mask)).resize((EDGE, EDGE)),
            num_inference_steps=8,
            guidance_scale=0,
            eta=0.3,
            strength=0.99,
            generator=generator(),
        )
    )


def community_model(base: Path, tcd: Path) -> Image.Image:
    pipe = StableDiffusionXLPipeline.from_pretrained(base, dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(tcd)
    pipe.fuse_lora()
    prompt = (
        "A man, clad in a meticulously tailored military uniform, stands with unwavering resolve. The uniform boasts "
        "intricate details, and his eyes gleam with determination. Strands of vibrant, windswept hair peek out from "
        "beneath the brim of his cap."
    )
    return _first(pipe(prompt=prompt, num_inference_steps=8, guidance_scale=0, eta=0.3, generator=generator()))


def styled_lora(base: Path, tcd: Path, style: Path) -> Image.Image:
    pipe = StableDiffusionXLPipeline.from_pretrained(base, dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(tcd, adapter_name="tcd")
    pipe.load_lora_weights(style, adapter_name="style")
    pipe.set_adapters(["tcd", "style"], adapter_weights=[1.0, 1.0])
    prompt = "papercut of a winter mountain, snow"
    return _first(pipe(prompt=prompt, num_inference_steps=4, guidance_scale=0, eta=0.3, generator=generator()))


def depth_map(model: Path, image: Image.Image) -> Image.Image:
    estimator = DPTForDepthEstimation.from_pretrained(model)
    processor = DPTImageProcessor.from_pretrained(model)
    pixels = processor(images=image, return_tensors="pt").pixel_values
    with torch.no_grad():
        depth = estimator(pixels).predicted_depth
    depth = torch.nn.functional.interpolate(depth.unsqueeze(1), size=(EDGE, EDGE), mode="bicubic", align_corners=False)
    depth_min = torch.amin(depth, dim=[1, 2, 3], keepdim=True)
    depth_max = torch.amax(depth, dim=[1, 2, 3], keepdim=True)
    depth = (depth - depth_min) / (depth_max - depth_min)
    array = torch.cat([depth] * 3, dim=1).permute(0, 2, 3, 1).cpu().numpy()[0]
    return Image.fromarray((array * 255.0).clip(0, 255).astype(np.uint8))


def controlnet_depth(base: Path, tcd: Path, controlnet: Path, estimator: Path, image: Path) -> Image.Image:
    control = depth_map(estimator, load_image(str(image)))
    return _controlled("stormtrooper lecture, photorealistic", base, tcd, controlnet, control)


def controlnet_canny(base: Path, tcd: Path, controlnet: Path, edges: Path) -> Image.Image:
    control = load_image(str(edges))
    return _controlled("ultrarealistic shot of a furry blue bird", base, tcd, controlnet, control)


def _controlled(prompt: str, base: Path, tcd: Path, controlnet: Path, control: Image.Image) -> Image.Image:
    net = ControlNetModel.from_pretrained(controlnet, dtype=torch.float32)
    pipe = StableDiffusionXLControlNetPipeline.from_pretrained(base, controlnet=net, dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(tcd)
    pipe.fuse_lora()
    return _first(
        pipe(
            prompt,
            image=control,
            num_inference_steps=4,
            guidance_scale=0,
            eta=0.3,
            controlnet_conditioning_scale=0.5,
            generator=generator(),
        )
    )


def ip_adapter(base: Path, tcd: Path, repository: Path, image: Path) -> Image.Image:
    pipe = StableDiffusionXLPipeline.from_pretrained(base, dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(tcd)
    pipe.fuse_lora()
    pipe.load_ip_adapter(repository, subfolder="sdxl_models", weight_name="ip-adapter_sdxl.safetensors")
    pipe.set_ip_adapter_scale(0.5)
    return _first(
        pipe(
            prompt="best quality, high quality, wearing sunglasses",
            ip_adapter_image=load_image(str(image)).resize((512, 512)),
            num_inference_steps=4,
            guidance_scale=0,
            eta=0.3,
            generator=generator(),
        )
    )


def animation(base: Path, tcd: Path, motion_adapter: Path, motion_lora: Path) -> list[Image.Image]:
    adapter = MotionAdapter.from_pretrained(motion_adapter)
    pipe = AnimateDiffPipeline.from_pretrained(base, motion_adapter=adapter)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(tcd, adapter_name="tcd")
    pipe.load_lora_weights(motion_lora, weight_name="diffusion_pytorch_model.safetensors", adapter_name="motion-lora")
    pipe.set_adapters(["tcd", "motion-lora"], adapter_weights=[1.0, 1.2])
    frames: list[Image.Image] = pipe(
        prompt=(
            "best quality, masterpiece, 1girl, looking at viewer, blurry background, upper body, contemporary, dress"
        ),
        num_inference_steps=5,
        guidance_scale=0,
        cross_attention_kwargs={"scale": 1},
        num_frames=24,
        eta=0.3,
        generator=generator(),
    ).frames[0]
    return frames


def sd(base: Path, tcd: Path) -> Image.Image:
    """SD 1.5 and SD 2.1-base, of which the guide has no script but this one's SDXL twin."""
    pipe = StableDiffusionPipeline.from_pretrained(base, dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(tcd)
    pipe.fuse_lora()
    prompt = "a photograph of an astronaut riding a horse"
    return _first(pipe(prompt=prompt, num_inference_steps=4, guidance_scale=0, eta=0.3, generator=generator()))


def _first(output: Any) -> Image.Image:
    image: Image.Image = output.images[0]
    return image
