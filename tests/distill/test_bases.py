"""LoRAs of each family's stand-in: trained, loaded by plain diffusers without a warning, and by tcdflow."""

from __future__ import annotations

import json
import math
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from tcdflow.distill.prepare import schedule_of
from tcdflow.errors import ConfigError
from tcdflow.files.lora_file import read as read_lora
from tcdflow.libraries.diffusers import lora_warnings
from tests.distill.conftest import Distil, Prepare
from tests.standins import Family, StandIns


def of(standins: StandIns, family: Family, *, v: bool = False, tmp: Path | None = None) -> list[str]:
    """Overrides that choose a family's stand-in, as one that predicts v if asked for."""
    preset = {"sd15": "sd15", "sd21": "sd21_base", "sdxl": "sdxl"}[family]
    source = standins.base(family)
    more = []
    if v and tmp is not None:
        source = Path(shutil.copytree(source, tmp / "v"))
        path = source / "scheduler/scheduler_config.json"
        config = json.loads(path.read_text("utf-8"))
        config |= {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
        path.write_text(json.dumps(config), "utf-8")
        more = ["base.prediction_type=v_prediction"]
    place = [f"base={preset}", f"base.source={source}", "base.config=null", "base.size=64"]
    return [*place, 'data.prompts=["a red dog","a cat"]', *more]


@pytest.mark.parametrize("steps", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("family", "v"), [pytest.param("sd15", False, marks=pytest.mark.slow), ("sd21", True), ("sdxl", False)]
)
def test_it_trains_and_loads(
    standins: StandIns, tmp_path: Path, distil_small: Distil, family: Family, v: bool, steps: int
) -> None:
    overrides = of(standins, family, v=v, tmp=tmp_path)
    validated = family == "sdxl" and steps == 2  # the embedded base is validated by the other tests
    drawn = [f"distill.validation.{one}" for one in ("every=1", "steps=[2]", "count=1", "teacher_steps=1")]
    more = ("distill.checkpoint.every=100", "distill.alpha=1", "distill.kohya=true", *(drawn if validated else ()))
    record = distil_small(tmp_path / "out", *overrides, *more, f"distill.steps={steps}")
    assert record.status == "done"
    assert math.isfinite(record.execution["losses"]["last"])
    if validated:
        assert math.isfinite(record.execution["validation"]["latest"]["distance"])
    source = next(text.partition("=")[2] for text in overrides if text.startswith("base.source="))
    folder = tmp_path / "out/lora"
    with lora_warnings() as warned:
        base, lora = (attended(source, file) for file in (None, folder / "pytorch_lora_weights.safetensors"))
        assert not torch.equal(base, lora)
        if family == "sd15":
            kohya = attended(source, folder / "kohya_lora.safetensors")
            torch.testing.assert_close(lora, kohya, atol=1e-6, rtol=0)
    assert warned == []
    assert read_lora(folder / "pytorch_lora_weights.safetensors").refusal(family) is None


def attended(source: str, lora: Path | None) -> torch.Tensor:
    """The latents that a pipeline makes in a step, with a LoRA."""
    pipe: Any = DiffusionPipeline.from_pretrained(source, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    if lora is not None:
        pipe.load_lora_weights(str(lora.parent), weight_name=lora.name)
    generator = torch.Generator().manual_seed(0)
    output = pipe("a red dog", num_inference_steps=1, generator=generator, output_type="latent", width=64, height=64)
    latents: torch.Tensor = output.images
    return latents


def test_what_the_schedule_says_is_believed(standins: StandIns, tmp_path: Path, prepare_small: Prepare) -> None:
    overrides = of(standins, "sd21", v=True, tmp=tmp_path)
    prepared = prepare_small(*overrides)
    assert schedule_of(prepared.teacher)["rescale_betas_zero_snr"]
    assert any("zero terminal SNR" in text for text in prepared.warnings)
    with pytest.raises(ConfigError, match="the base's scheduler config says v_prediction; a LoRA of the wrong one"):
        prepare_small(*overrides[:-1])


def test_images_of_a_folder(standins: StandIns, tmp_path: Path, distil_small: Distil, prepare_small: Prepare) -> None:
    """SDXL is told the size of the image as it was, and where it was cropped."""
    from tcdflow.distill import cache, cache_place

    folder = tmp_path / "images"
    folder.mkdir()
    for name, size in (("a", (64, 64)), ("b", (192, 128))):
        Image.effect_noise(size, 60).convert("RGB").save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("a red dog", "utf-8")
    chosen = [text for text in of(standins, "sdxl") if not text.startswith("data.")]
    overrides = ["data=folder", f"data.folder={folder}", "~data.steps", *chosen]
    record = distil_small(tmp_path / "out", *overrides, "distill.steps=1")
    assert record.data.examples == 2
    (chunk,) = prepare_small(*overrides).chunks
    rows = [cache.read(cache_place.of(chunk.key), row) for row in (0, 1)]
    assert rows[0]["time_ids"].tolist() == [[64, 64, 0, 0, 64, 64]]
    assert rows[1]["time_ids"].tolist() == [[128, 192, 0, 16, 64, 64]]
    assert rows[0]["latents"].shape == (1, 4, 8, 8)
    assert rows[0]["pooled_prompt_embeds"].ndim == 2


def test_images_of_shards_are_those_of_a_folder(
    standins: StandIns, tmp_path: Path, distil_small: Distil, prepare_small: Prepare
) -> None:
    """The same images give the same latents, from the first byte of a shard or the last."""
    from tcdflow.distill import cache, cache_place

    folder, shards = tmp_path / "images", tmp_path / "shards"
    folder.mkdir()
    shards.mkdir()
    for name in ("a", "b"):
        Image.effect_noise((64, 64), 60).convert("RGB").save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("a red dog", "utf-8")
    with tarfile.open(shards / "0.tar", "w") as tar:
        tar.add(folder, ".")
    chosen = [text for text in of(standins, "sd15") if not text.startswith("data.")]
    from_folder = ["data=folder", f"data.folder={folder}", "~data.steps", *chosen]
    from_shards = ["data=shards", f"data.shards={shards}", "~data.steps", *chosen]
    for number, overrides in enumerate((from_folder, from_shards)):
        distil_small(tmp_path / f"out{number}", *overrides, "distill.steps=1", "distill.batch=1")
    captions = [[one.caption for one in prepare_small(*overrides).examples] for overrides in (from_folder, from_shards)]
    assert captions[0] == captions[1] == ["a red dog"] * 2
    rows = [
        sorted(
            cache.read(cache_place.of(prepare_small(*overrides).chunks[0].key), row)["latents"].sum().item()
            for row in (0, 1)
        )
        for overrides in (from_folder, from_shards)
    ]
    assert rows[0] == pytest.approx(rows[1])


def test_latents_that_are_no_numbers_name_their_file(
    standins: StandIns, tmp_path: Path, prepare_small: Prepare
) -> None:
    from diffusers import StableDiffusionPipeline

    from tcdflow.distill.encode import Encoder
    from tcdflow.errors import RunError
    from tcdflow.spec.data import Example

    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    pipe: Any = StableDiffusionPipeline.from_pretrained(str(standins.sd15), dtype=torch.float32, safety_checker=None)
    torch.nn.init.constant_(pipe.vae.encoder.conv_in.weight, float("nan"))
    encoder = Encoder(pipe, prepare_small(*of(standins, "sd15")).spec, torch.device("cpu"))
    with pytest.raises(RunError, match=r"the latents of red\.png are NaN or Inf"):
        encoder.examples([Example("a dog", tmp_path / "red.png")])
