"""What is no image is told, recorded and not kept: on the real pipeline, with a VAE that was broken on purpose."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tcdflow.errors import InvalidOutputError
from tcdflow.record import document
from tests.fidelity.conftest import Run
from tests.fidelity.test_tasks import EMOJI
from tests.standins import StandIns


@pytest.fixture(params=["nan", "inf", "black"])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """The embedded base with one bias of its decoder changed, and what is said of its images."""
    base = tmp_path / "base"
    shutil.copytree(EMOJI, base)
    file = base / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    value, said = {
        "nan": (math.nan, "it has infinite or undefined numbers"),
        "inf": (math.inf, "it has infinite or undefined numbers"),
        "black": (-1e4, "it is black all over"),
    }[request.param]
    weights["decoder.conv_out.bias"] = torch.full_like(weights["decoder.conv_out.bias"], value)
    save_file(weights, file, {"format": "pt"})
    return base, said


def test_it_is_not_kept(run: Run, broken: tuple[Path, str], tmp_path: Path) -> None:
    base, said = broken
    with pytest.raises(InvalidOutputError, match=said) as caught:
        run(f"base.source={base}", "prompt=a red heart", "sampling.steps=1", "sampling.num_images=2")
    assert "seed 0" in str(caught.value) and "runtime.dtype=float32" in str(caught.value)
    where = tmp_path / "run0"
    record = document.read(where)
    assert record.status == "failed" and record.error is not None and record.error.type == "InvalidOutputError"
    assert record.outputs == [] and record.execution["unet_calls"] == 2 and record.lock
    assert not list(where.glob("*.png"))


@pytest.mark.parametrize(("broken", "option"), [("nan", "vae_tiling"), ("black", "vae_slicing")], indirect=["broken"])
def test_in_tiles_and_slices(run: Run, broken: tuple[Path, str], option: str) -> None:
    base, said = broken
    size = ["sampling.width=128", "sampling.height=128"] if option == "vae_tiling" else []
    with pytest.raises(InvalidOutputError, match=said):
        run(
            f"base.source={base}",
            "prompt=a red heart",
            "sampling.steps=1",
            "sampling.num_images=2",
            "runtime.batch_size=2",
            f"runtime.{option}=true",
            *size,
        )


def test_what_the_safety_checker_took_out(run: Run, standins: StandIns, tmp_path: Path) -> None:
    said = ["base=sd15", "base.size=64", f"base.source={standins.sd15_flagging}", "loras=[]", "prompt=x"]
    with pytest.raises(InvalidOutputError, match="safety checker has blackened it"):
        run(*said, "base.safety_checker=true")
    assert json.loads((tmp_path / "run0" / "run.json").read_text())["status"] == "failed"
    assert run(*said).record.status == "done"


def test_a_dark_image_is_one(run: Run) -> None:
    assert run("prompt=a black heart on a black background").record.status == "done"
