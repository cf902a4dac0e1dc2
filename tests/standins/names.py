"""What can be asked for, and the names of files and folders: nothing here imports torch."""

from __future__ import annotations

from typing import Literal

Family = Literal["sd15", "sd21", "sdxl"]
FAMILIES: tuple[Family, ...] = ("sd15", "sd21", "sdxl")

BaseName = Literal[
    "sd15",
    "sd15_finetune",
    "sd15_flagging",
    "sd15_with_safety_checker",
    "sd21_base",
    "sdxl",
    "sdxl_finetune",
    "sdxl_inpainting",
]

#: Edge of the images the stand-ins make when nothing else is asked for.
IMAGE_SIZE = 64

LoraKind = Literal["tcd", "style", "style_text", "none_match", "partial"]
#: The file in the folder of each kind of LoRA.
LORA_FILES: dict[LoraKind, str] = {
    "tcd": "pytorch_lora_weights.safetensors",
    "style": "papercut.safetensors",
    "style_text": "papercut.safetensors",
    "none_match": "pytorch_lora_weights.safetensors",
    "partial": "pytorch_lora_weights.safetensors",
}

#: The families that have adapters; there are hardly any for SD 2.1.
AdapterFamily = Literal["sd15", "sdxl"]
ControlKind = Literal["depth", "canny"]

#: The folder of each family in the IP-Adapter repository.
IP_ADAPTER_SUBFOLDERS: dict[AdapterFamily, str] = {"sd15": "models", "sdxl": "sdxl_models"}
#: Two adapters of each family, of one architecture and with different weights.
IP_ADAPTER_FILES: dict[AdapterFamily, tuple[str, str]] = {
    "sd15": ("ip-adapter_sd15.safetensors", "ip-adapter_sd15_light.safetensors"),
    "sdxl": ("ip-adapter_sdxl.safetensors", "ip-adapter_sdxl_second.safetensors"),
}

#: ``v1-5`` has no motion module in the middle of the UNet; ``v1-5-2`` has one.
MotionVersion = Literal["v1-5", "v1-5-2"]
MOTION_LORA_FILE = "diffusion_pytorch_model.safetensors"
