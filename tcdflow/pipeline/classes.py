"""Which diffusers pipeline does what a spec asks for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tcdflow.libraries.diffusers import quiet
from tcdflow.spec.adapters import ControlNet
from tcdflow.spec.model import RunSpec

_SD = {
    ("text_to_image", False): "stable_diffusion.pipeline_stable_diffusion:StableDiffusionPipeline",
    ("text_to_image", True): "controlnet.pipeline_controlnet:StableDiffusionControlNetPipeline",
    ("image_to_image", False): "stable_diffusion.pipeline_stable_diffusion_img2img:StableDiffusionImg2ImgPipeline",
    ("image_to_image", True): "controlnet.pipeline_controlnet_img2img:StableDiffusionControlNetImg2ImgPipeline",
    ("inpainting", False): "stable_diffusion.pipeline_stable_diffusion_inpaint:StableDiffusionInpaintPipeline",
    ("inpainting", True): "controlnet.pipeline_controlnet_inpaint:StableDiffusionControlNetInpaintPipeline",
    ("animation", False): "animatediff.pipeline_animatediff:AnimateDiffPipeline",
}
_XL = "stable_diffusion_xl.pipeline_stable_diffusion_xl"
_SDXL = {
    ("text_to_image", False): f"{_XL}:StableDiffusionXLPipeline",
    ("text_to_image", True): "controlnet.pipeline_controlnet_sd_xl:StableDiffusionXLControlNetPipeline",
    ("image_to_image", False): f"{_XL}_img2img:StableDiffusionXLImg2ImgPipeline",
    ("image_to_image", True): "controlnet.pipeline_controlnet_sd_xl_img2img:StableDiffusionXLControlNetImg2ImgPipeline",
    ("inpainting", False): f"{_XL}_inpaint:StableDiffusionXLInpaintPipeline",
    ("inpainting", True): "controlnet.pipeline_controlnet_inpaint_sd_xl:StableDiffusionXLControlNetInpaintPipeline",
}


def pipeline_class(spec: RunSpec) -> Any:
    """Return the class; :mod:`tcdflow.spec.rules` has refused what has none."""
    table = _SDXL if spec.base.family == "sdxl" else _SD
    module, name = table[spec.task.name, bool(spec.adapters_of(ControlNet))].split(":")
    with quiet():
        return getattr(import_module(f"diffusers.pipelines.{module}"), name)
