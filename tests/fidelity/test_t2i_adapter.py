"""T2I-Adapters against plain diffusers."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import MultiAdapter, T2IAdapter
from PIL import Image

from tcdflow.errors import ConfigError
from tests.fidelity import scripts
from tests.fidelity.conftest import Run, Thin
from tests.fidelity.same import assert_same, equal
from tests.helpers import problems
from tests.standins import StandIns

PROMPT = "a photograph of an astronaut riding a horse"
CLASSES = {
    "sd15": diffusers.StableDiffusionAdapterPipeline,
    "sdxl": diffusers.StableDiffusionXLAdapterPipeline,
}


def common(standins: StandIns, family: Any, tcd: Path, **adapters: dict[str, Any]) -> list[str]:
    settings = [f"++adapters.{name}.{key}={value}" for name, of in adapters.items() for key, value in of.items()]
    kind = [f"++adapters.{name}.{key}" for name in adapters for key in ("kind=t2i_adapter", f"family={family}")]
    return [
        f"base={family}",
        "base.size=64",
        f"base.source={standins.base(family)}",
        f"loras.tcd.source={tcd}",
        f"prompt={PROMPT}",
        *kind,
        *settings,
    ]


def pipeline(family: Any, standins: StandIns, tcd: Path, adapter: Any) -> Any:
    """Put a LoRA on the plain pipeline first: that of SD 1.5's adapters cannot load any."""
    plain = diffusers.AutoPipelineForText2Image.from_pretrained(standins.base(family), dtype=torch.float32)
    plain.scheduler = diffusers.TCDScheduler.from_config(plain.scheduler.config)
    plain.load_lora_weights(tcd, adapter_name="tcd")
    plain.fuse_lora()
    known = signature(CLASSES[family].__init__).parameters
    parts = {name: part for name, part in plain.components.items() if name in known}
    return CLASSES[family](**parts, adapter=adapter, **({"requires_safety_checker": False} if family == "sd15" else {}))


@pytest.mark.parametrize(("family", "grey"), [("sd15", True), ("sd15", False), ("sdxl", False)])
def test_one(run: Run, standins: StandIns, thin: Thin, photo: Path, family: Any, grey: bool) -> None:
    tcd, folder = thin(family, "tcd"), standins.t2i_adapter(family, grey=grey)
    said = {"source": folder, "image": photo, "scale": 0.8} | ({"end": 0.5} if family == "sdxl" else {})
    made = run(*common(standins, family, tcd, sketch=said))
    pipe = pipeline(family, standins, tcd, T2IAdapter.from_pretrained(folder, dtype=torch.float32))
    image = scripts.photo(photo).convert("L") if grey else scripts.photo(photo)
    half = {"adapter_conditioning_factor": 0.5} if family == "sdxl" else {}
    call = {"image": image, "width": 64, "height": 64, **half}
    assert_same(made.images[0], scripts.image(pipe, PROMPT, adapter_conditioning_scale=0.8, **call))
    assert not equal(made.images[0], scripts.image(pipe, PROMPT, adapter_conditioning_scale=0.0, **call))


def test_two_with_guidance_in_a_batch(
    run: Run, standins: StandIns, thin: Thin, photo: Path, second_photo: Path
) -> None:
    tcd, grey, colour = thin("sd15", "tcd"), standins.t2i_adapter("sd15", grey=True), standins.t2i_adapter("sd15")
    made = run(
        *common(
            standins,
            "sd15",
            tcd,
            one={"source": grey, "image": photo, "scale": 0.7},
            two={"source": colour, "image": second_photo, "scale": 0.4, "preprocessor": "{name: canny}"},
        ),
        "sampling.guidance_scale=2",
        "sampling.num_images=2",
        "runtime.batch_size=2",
    )
    nets = [T2IAdapter.from_pretrained(folder, dtype=torch.float32) for folder in (grey, colour)]
    pipe = pipeline("sd15", standins, tcd, MultiAdapter(nets))
    edges = Image.open(made.directory / "control_two.png").convert("RGB")
    images = pipe(
        prompt=[PROMPT] * 2,
        image=[[scripts.photo(photo).convert("L")] * 2, [edges] * 2],
        adapter_conditioning_scale=[0.7, 0.4],
        width=64,
        height=64,
        guidance_scale=2.0,
        eta=0.3,
        num_inference_steps=4,
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in (0, 1)],
    ).images
    for ours, theirs in zip(made.images, images, strict=True):
        assert_same(ours, theirs)


def test_sizes_that_it_cannot_divide(run: Run, standins: StandIns, thin: Thin, photo: Path) -> None:
    said = {"source": standins.t2i_adapter("sdxl"), "image": photo}
    with pytest.raises(ConfigError, match=r"sampling.width = 72: must be a multiple of 16"):
        run(*common(standins, "sdxl", thin("sdxl", "tcd"), sketch=said), "sampling.width=72")


def test_what_it_cannot_do(composer: Any) -> None:
    chosen = ["base=sdxl", "adapters=[t2i_adapter]", "adapters.t2i_adapter.image=a.png"]
    task = ["task=image_to_image", "task.image=a.png"]
    assert [p.key for p in problems(composer, *chosen, *task)] == ["adapters.t2i_adapter"]
    both = [*chosen, "adapters=[t2i_adapter,canny]", "adapters.canny.image=a.png"]
    (problem,) = problems(composer, *both)
    assert (problem.key, problem.what) == (
        "adapters",
        "diffusers has no pipeline for t2i_adapter and controlnet together",
    )
    early = [*chosen, "base=sd15", "adapters.t2i_adapter.family=sd15", "adapters.t2i_adapter.end=0.5"]
    assert [p.key for p in problems(composer, *early)] == ["adapters.t2i_adapter.end"]
