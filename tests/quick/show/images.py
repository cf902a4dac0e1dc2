"""Images with the metadata that other tools write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

WEB_UI = """masterpiece, (a red fox:1.2) <lora:my style:0.8>
Negative prompt: blurry, [ugly]
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1234, Size: 512x768, Model hash: 6ce0161689, \
Model: v1-5-pruned-emaonly, Clip skip: 2, Lora hashes: "my style: 1a2b3c4d5e6f", Version: v1.10.1"""
TCD = "a fox\nSteps: 4, Sampler: TCD, CFG scale: 1, Seed: 5, Size: 1024x1024, Model hash: 31e35c80fc, Eta: 0.3"
KARRAS = "a fox\nSteps: 30, Sampler: DPM++ SDE Karras, CFG scale: 6.5, Seed: 5, Size: 512x512, Model: somebody's_mix"
HIRES = f"{KARRAS}, Denoising strength: 0.4, Hires upscale: 2, Hires upscaler: Latent"
REDRAWN = f"{KARRAS}, Denoising strength: 0.6"


def png(path: Path, texts: dict[str, str]) -> Path:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


def jpeg(path: Path, text: str) -> Path:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    Image.new("RGB", (8, 8)).save(path, exif=exif)
    return path


def graph(*, denoise: float = 1.0, lora: str | None = None, sampler: str = "euler") -> dict[str, str]:
    """A ComfyUI graph of a checkpoint, two prompts and a sampler, as the program stores it."""
    model = "10" if lora else "4"
    nodes: dict[str, Any] = {
        "3": node("KSampler", seed=42, steps=8, cfg=1.5, sampler_name=sampler, scheduler="normal", denoise=denoise),
        "4": node("CheckpointLoaderSimple", ckpt_name="sd_xl_base_1.0.safetensors"),
        "5": node("EmptyLatentImage", width=1024, height=768, batch_size=1),
        "6": node("CLIPTextEncode", text="a fox", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="blurry", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    }
    if lora:
        strengths = {"strength_model": 0.9, "strength_clip": 0.9}
        nodes["10"] = node("LoraLoader", lora_name=lora, model=["4", 0], clip=["4", 1], **strengths)
    inputs = {"model": [model, 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    nodes["3"]["inputs"] |= inputs
    links = [[1, int(model), 0, 3, 0, "MODEL"], [2, 6, 0, 3, 1, "CONDITIONING"], [3, 7, 0, 3, 2, "CONDITIONING"]]
    links += [[4, 5, 0, 3, 3, "LATENT"], [5, 4, 1, 6, 0, "CLIP"], [6, 4, 1, 7, 0, "CLIP"]]
    return {"prompt": json.dumps(nodes), "workflow": json.dumps({"links": links})}


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def invoke(**more: Any) -> dict[str, str]:
    """What InvokeAI stores today."""
    whole = {
        "generation_mode": "sdxl_txt2img",
        "positive_prompt": "a fox++ in snow",
        "negative_prompt": "",
        "width": 1024,
        "height": 1024,
        "seed": 77,
        "cfg_scale": 7.5,
        "steps": 30,
        "scheduler": "dpmpp_2m_k",
        "model": {"key": "a", "hash": "blake3:ab", "name": "Juggernaut XL", "base": "sdxl", "type": "main"},
        "app_version": "5.0.0",
    }
    return {"invokeai_metadata": json.dumps(whole | more)}


DREAM = {"Dream": '"a fox [blurry]" -s 50 -S 123 -W 512 -H 512 -C 7.5 -A k_euler_a'}
SD_METADATA = {
    "sd-metadata": json.dumps(
        {
            "model_weights": "stable-diffusion-1.5",
            "image": {
                "prompt": [{"prompt": "a fox [blurry]", "weight": 1}],
                "steps": 50,
                "cfg_scale": 7.5,
                "seed": 123,
                "width": 512,
                "height": 512,
                "sampler": "k_lms",
            },
        }
    )
}
