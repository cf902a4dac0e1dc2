"""The stand-ins load through plain diffusers, are deterministic, and their effects are seen in the pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderTiny,
    AutoPipelineForInpainting,
    ControlNetModel,
    DiffusionPipeline,
    MotionAdapter,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
    TCDScheduler,
)
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from transformers import DPTForDepthEstimation, DPTImageProcessor

from tests.standins import (
    FAMILIES,
    IMAGE_SIZE,
    IP_ADAPTER_FILES,
    IP_ADAPTER_SUBFOLDERS,
    LORA_FILES,
    MOTION_LORA_FILE,
    AdapterFamily,
    Family,
    MotionVersion,
    StandIns,
)
from tests.standins.store import build_once

pytestmark = pytest.mark.slow  # of the tests' own means, and not of tcdflow

Pixels = NDArray[np.float32]

BASES = {
    "sd15": "StableDiffusionPipeline",
    "sd15_finetune": "StableDiffusionPipeline",
    "sd21_base": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "sdxl_finetune": "StableDiffusionXLPipeline",
}
ADAPTER_FAMILIES: tuple[AdapterFamily, ...] = ("sd15", "sdxl")


def ready(pipe: Any) -> Any:
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load(path: Path, **options: Any) -> Any:
    return ready(DiffusionPipeline.from_pretrained(path, local_files_only=True, **options))


def draw(pipe: Any, prompt: str = "a cat", seed: int = 0, **options: Any) -> Pixels:
    output = pipe(
        prompt,
        generator=torch.Generator().manual_seed(seed),
        **{"num_inference_steps": 2, "guidance_scale": 0, "eta": 0.3, "output_type": "np", **options},
    )
    pixels: Pixels = (output.frames if hasattr(output, "frames") else output.images)[0]
    return pixels


def levels(left: Pixels, right: Pixels) -> float:
    """Mean difference of two images, in the 256 levels of an image file."""
    return float(np.abs(left - right).mean() * 255)


def keys(path: Path) -> list[str]:
    with safe_open(path, "pt") as tensors:
        return list(tensors.keys())


def patchwork(seed: int) -> Image.Image:
    """Draw an image of coloured squares, large enough that the smallest encoder sees them."""
    squares = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(np.kron(squares, np.ones((16, 16, 1), np.uint8)))


@pytest.mark.parametrize("name", BASES)
def test_a_base_loads_and_draws(standins: StandIns, name: str) -> None:
    path = getattr(standins, name)
    pipe = load(path)
    assert type(pipe).__name__ == BASES[name]
    assert pipe.vae_scale_factor == 8
    picture = draw(pipe)
    assert picture.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    assert picture.std() > 0.05
    assert np.isin(picture, (0.0, 1.0)).mean() < 0.05, "mostly clipped"
    assert levels(picture, draw(pipe)) == 0
    assert levels(picture, draw(load(path))) == 0
    assert levels(picture, draw(pipe, "papercut of a winter mountain, snow")) > 1
    assert levels(picture, draw(pipe, seed=1)) > 10
    guided = draw(pipe, guidance_scale=5.0)
    assert levels(guided, picture) > 1
    assert levels(guided, draw(pipe, guidance_scale=5.0, negative_prompt="blue bird")) > 1


@pytest.mark.parametrize("name", ["sd15", "sd21_base", "sdxl"])
def test_the_fp16_variant_draws_nearly_the_same(standins: StandIns, name: str) -> None:
    path = getattr(standins, name)
    halves = load(path, dtype=torch.float16, variant="fp16")
    assert {halves.unet.dtype, halves.text_encoder.dtype} == {torch.float16}
    assert 0 < levels(draw(load(path)), draw(halves)) < 1


@pytest.mark.parametrize(("family", "finetune"), [("sd15", "sd15_finetune"), ("sdxl", "sdxl_finetune")])
def test_a_finetune_is_another_model_of_one_shape(standins: StandIns, family: Family, finetune: str) -> None:
    base, other = load(standins.base(family)), load(getattr(standins, finetune))
    assert base.unet.config.block_out_channels == other.unet.config.block_out_channels
    assert levels(draw(base), draw(other)) > 5


def test_folders_are_laid_out_as_on_the_hub(standins: StandIns) -> None:
    def files(root: Path) -> set[str]:
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}

    tokenizer = {"merges.txt", "special_tokens_map.json", "tokenizer_config.json", "vocab.json"}
    encoder = {"config.json", "model.fp16.safetensors", "model.safetensors"}
    model = {name.replace("model", "diffusion_pytorch_model") for name in encoder}
    shared = {f"{part}/{name}" for part in ("unet", "vae") for name in model}
    shared |= {"model_index.json", "scheduler/scheduler_config.json"}
    shared |= {f"tokenizer/{name}" for name in tokenizer} | {f"text_encoder/{name}" for name in encoder}
    assert files(standins.sd15) == shared | {"feature_extractor/preprocessor_config.json"}
    second = {f"tokenizer_2/{name}" for name in tokenizer} | {f"text_encoder_2/{name}" for name in encoder}
    assert files(standins.sdxl) == shared | second
    assert all(key.startswith("text_model.") for key in keys(standins.sd15 / "text_encoder" / "model.safetensors"))
    index = json.loads((standins.sdxl / "model_index.json").read_text())
    assert index["force_zeros_for_empty_prompt"] is True


def test_the_tokenizer_knows_some_words_and_spells_the_others(standins: StandIns) -> None:
    tokenizer = load(standins.sd15).tokenizer
    assert tokenizer.tokenize("Papercut of a CAT") == ["papercut</w>", "of</w>", "a</w>", "cat</w>"]
    assert len(tokenizer.tokenize("Schönhausen")) > 5
    assert tokenizer.eos_token_id == len(tokenizer) - 1
    assert load(standins.sdxl).tokenizer_2.pad_token_id == 0


def test_inpainting_heeds_the_image_and_the_mask(standins: StandIns) -> None:
    pipe = ready(AutoPipelineForInpainting.from_pretrained(standins.sdxl_inpainting, local_files_only=True))
    assert type(pipe).__name__ == "StableDiffusionXLInpaintPipeline"
    assert pipe.unet.config.in_channels == 9
    mask = Image.new("L", (IMAGE_SIZE, IMAGE_SIZE))
    mask.paste(255, (0, 0, 32, IMAGE_SIZE))
    wide = Image.new("L", (IMAGE_SIZE, IMAGE_SIZE), 255)
    options: dict[str, Any] = {"num_inference_steps": 4, "strength": 0.99}
    picture = draw(pipe, image=patchwork(0), mask_image=mask, **options)
    assert picture.std() > 0.05
    assert levels(picture, draw(pipe, image=patchwork(0), mask_image=mask, **options)) == 0
    assert levels(picture, draw(pipe, image=patchwork(1), mask_image=mask, **options)) > 1
    assert levels(picture, draw(pipe, image=patchwork(0), mask_image=wide, **options)) > 1


def test_safety_checkers_answer_as_named(standins: StandIns) -> None:
    picture = draw(load(standins.sd15))
    passing = load(standins.sd15_with_safety_checker)
    assert type(passing.safety_checker).__name__ == "StableDiffusionSafetyChecker"
    assert levels(picture, draw(passing)) == 0
    assert draw(load(standins.sd15_flagging)).max() == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_loras_are_seen_and_leave_no_trace(standins: StandIns, family: Family) -> None:
    pipe = load(standins.base(family))
    plain = draw(pipe)
    pictures = {}
    for kind in ("tcd", "style", "style_text"):
        pipe.load_lora_weights(standins.lora(family, kind), weight_name=LORA_FILES[kind], adapter_name=kind)
        pictures[kind] = draw(pipe)
        assert levels(plain, pictures[kind]) > 2
        parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
        scalings = [getattr(layer, "scaling", {}) for part in parts for layer in part.modules()]
        scales = [scaling[kind] for scaling in scalings if isinstance(scaling, dict) and kind in scaling]
        assert set(scales) == {1.0 if kind == "tcd" else 0.5}
        endings = ("lora_A.weight", "lora_down.weight")
        pairs = [key for key in keys(standins.lora_file(family, kind)) if key.endswith(endings)]
        assert len(scales) == len(pairs), "a pair of the file found no module"
        pipe.unload_lora_weights()
        assert levels(plain, draw(pipe)) == 0
    assert levels(pictures["style"], pictures["style_text"]) > 0.5


@pytest.mark.parametrize("family", FAMILIES)
def test_damaged_loras_are_damaged(standins: StandIns, family: Family) -> None:
    pipe = load(standins.base(family))
    plain = draw(pipe)
    pipe.load_lora_weights(standins.lora(family, "none_match"))
    assert pipe.get_list_adapters() == {}
    assert levels(plain, draw(pipe)) == 0
    pipe.load_lora_weights(standins.lora(family, "partial"), adapter_name="partial")
    found = sum(".lora_A." in name for name, _ in pipe.unet.named_parameters())
    assert found == len(keys(standins.lora_file(family, "partial"))) // 4
    assert levels(plain, draw(pipe)) > 1


@pytest.mark.parametrize("family", ADAPTER_FAMILIES)
def test_controls_are_seen(standins: StandIns, family: AdapterFamily) -> None:
    kind = StableDiffusionControlNetPipeline if family == "sd15" else StableDiffusionXLControlNetPipeline
    nets = {
        name: ControlNetModel.from_pretrained(standins.controlnet(family, name), local_files_only=True)
        for name in ("depth", "canny")
    }
    pipe = ready(kind.from_pretrained(standins.base(family), controlnet=nets["depth"], local_files_only=True))
    picture = draw(pipe, image=patchwork(0))
    assert levels(picture, draw(pipe, image=patchwork(0))) == 0
    assert levels(picture, draw(pipe, image=patchwork(1))) > 2
    assert levels(picture, draw(pipe, image=patchwork(0), controlnet_conditioning_scale=0.5)) > 0.5
    assert levels(picture, draw(load(standins.base(family)))) > 2
    pair = list(nets.values())
    two = ready(kind.from_pretrained(standins.base(family), controlnet=pair, local_files_only=True))
    assert levels(picture, draw(two, image=[patchwork(0), patchwork(1)])) > 0.5
    half = ControlNetModel.from_pretrained(
        standins.controlnet(family, "depth"), variant="fp16", dtype=torch.float16, local_files_only=True
    )
    assert half.dtype == torch.float16


@pytest.mark.parametrize("family", ADAPTER_FAMILIES)
def test_reference_images_are_seen(standins: StandIns, family: AdapterFamily) -> None:
    pipe = load(standins.base(family))
    plain = draw(pipe)
    where = {"subfolder": IP_ADAPTER_SUBFOLDERS[family], "local_files_only": True}
    first, _second = IP_ADAPTER_FILES[family]
    pipe.load_ip_adapter(standins.ip_adapter, weight_name=first, **where)
    picture = draw(pipe, ip_adapter_image=patchwork(0))
    assert levels(plain, picture) > 1
    assert levels(picture, draw(pipe, ip_adapter_image=patchwork(1))) > 0.5
    assert levels(picture, draw(pipe, ip_adapter_image=patchwork(0))) == 0
    pipe.set_ip_adapter_scale(0.0)
    assert levels(plain, draw(pipe, ip_adapter_image=patchwork(0))) == 0
    pipe.unload_ip_adapter()
    assert levels(plain, draw(pipe)) == 0
    pipe.load_ip_adapter(standins.ip_adapter, weight_name=list(IP_ADAPTER_FILES[family]), **where)
    both = draw(pipe, ip_adapter_image=[patchwork(0), patchwork(1)])
    assert levels(both, picture) > 0.5
    assert (standins.ip_adapter / IP_ADAPTER_SUBFOLDERS[family] / first).with_suffix(".bin").is_file()


@pytest.mark.parametrize(("version", "matching"), [("v1-5", 160), ("v1-5-2", 168)])
def test_motion_is_seen(standins: StandIns, version: MotionVersion, matching: int) -> None:
    adapter = MotionAdapter.from_pretrained(standins.motion_adapter(version), local_files_only=True)
    loaded = AnimateDiffPipeline.from_pretrained(standins.sd15_finetune, motion_adapter=adapter, local_files_only=True)
    pipe = ready(loaded)
    frames = draw(pipe, num_frames=4)
    assert frames.shape == (4, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert levels(frames[0], frames[1]) > 5
    assert levels(frames, draw(pipe, num_frames=4)) == 0
    pipe.load_lora_weights(standins.lora("sd15", "tcd"), adapter_name="tcd")
    distilled = draw(pipe, num_frames=4)
    assert levels(frames, distilled) > 2
    pipe.load_lora_weights(standins.motion_lora, weight_name=MOTION_LORA_FILE, adapter_name="zoom")
    assert sum(".lora_A.zoom" in name for name, _ in pipe.unet.named_parameters()) == matching
    pipe.set_adapters(["tcd", "zoom"], adapter_weights=[1.0, 1.2])
    zoomed = draw(pipe, num_frames=4, cross_attention_kwargs={"scale": 1})
    assert levels(distilled, zoomed) > 2


def test_the_depth_estimator_sees_the_image(standins: StandIns) -> None:
    model = DPTForDepthEstimation.from_pretrained(standins.depth_estimator, local_files_only=True)
    processor = DPTImageProcessor.from_pretrained(standins.depth_estimator, local_files_only=True)
    maps = []
    for seed in range(2):
        with torch.no_grad():
            maps.append(model(**processor(images=patchwork(seed), return_tensors="pt")).predicted_depth)
        assert maps[-1].std() > 0.1
    assert (maps[0] - maps[1]).abs().mean() > 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tiny_autoencoder_decodes(standins: StandIns, family: Family) -> None:
    pipe = load(standins.base(family))
    plain = draw(pipe)
    pipe.vae = AutoencoderTiny.from_pretrained(standins.tiny_vae, local_files_only=True)
    picture = draw(pipe)
    assert picture.shape == plain.shape
    assert picture.std() > 0.05
    assert np.isin(picture, (0.0, 1.0)).mean() < 0.3
    assert levels(plain, picture) > 5


@pytest.mark.parametrize("family", ADAPTER_FAMILIES)
def test_a_single_file_holds_the_same_weights(standins: StandIns, family: AdapterFamily) -> None:
    base = load(standins.base(family))
    kind = StableDiffusionPipeline if family == "sd15" else StableDiffusionXLPipeline
    single = kind.from_single_file(
        standins.single_file(family), config=str(standins.base(family)), local_files_only=True
    )
    for name in ("unet", "vae", "text_encoder", "text_encoder_2"):
        if name not in base.components:
            continue
        ours, theirs = base.components[name].state_dict(), single.components[name].state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    # Not bit for bit: the tensors are mapped from the files, where they lie at other offsets, and kernels
    # sum unaligned numbers in another order.
    assert np.abs(draw(base) - draw(ready(single))).max() < 1e-5


def _digest(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


BUILDS: dict[str, Callable[[StandIns], Path]] = {
    "sdxl": lambda these: these.sdxl,
    "lora": lambda these: these.lora("sdxl", "style_text"),
    "controlnet": lambda these: these.controlnet("sd15", "canny"),
    "ip_adapter": lambda these: these.ip_adapter,
    "motion_adapter": lambda these: these.motion_adapter("v1-5-2"),
    "depth_estimator": lambda these: these.depth_estimator,
    "single_file": lambda these: these.single_file("sd15").parent,
}


@pytest.mark.parametrize("name", BUILDS)
def test_a_build_gives_the_same_bytes_each_time(standins: StandIns, tmp_path: Path, name: str) -> None:
    torch.manual_seed(1)  # noise from elsewhere must not come in
    assert _digest(BUILDS[name](StandIns(tmp_path))) == _digest(BUILDS[name](standins))


def test_a_stand_in_is_built_once_for_all_who_ask_at_once(tmp_path: Path) -> None:
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "file").write_text("whole")

    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: build_once(tmp_path / "shared" / "thing", build), range(4)))
    assert len(built) == 1
    assert {path.joinpath("file").read_text() for path in paths} == {"whole"}


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        build_once(tmp_path / "thing", build)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
