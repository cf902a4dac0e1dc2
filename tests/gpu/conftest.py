"""Runs on the card, if there is one; what only a card can show is skipped elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import tcdflow
from tcdflow.engine.result import Result
from tcdflow.record import document
from tcdflow.record.document import Record
from tests.helpers import cli
from tests.standins import Family, StandIns

Run = Callable[..., Result]
"""``run(*overrides, family="sd15")``."""
Process = Callable[..., Record]
"""The same in a process of its own."""


def words(standins: StandIns, device: str, overrides: tuple[str, ...], family: Family) -> list[str]:
    """The run of a stand-in with its TCD-LoRA, unless overrides say otherwise."""
    lora = () if "loras=[]" in overrides else (f"loras.tcd.source={standins.lora(family, 'tcd')}",)
    base = (f"base={family}", "base.size=64", f"base.source={standins.base(family)}", *lora)
    return [*base, "prompt=a red fox", f"runtime.device={device}", *overrides]


@pytest.fixture(scope="session")
def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def card(device: str) -> Iterator[torch.device]:
    """For tests that mean nothing on a CPU."""
    if device == "cpu":
        pytest.skip("no CUDA device")
    yield torch.device(device)
    torch.cuda.empty_cache()


@pytest.fixture
def run(standins: StandIns, device: str, tmp_path: Path) -> Run:
    made = iter(range(1000))

    def runs(*overrides: str, family: Family = "sd15") -> Result:
        where = f"hydra.run.dir={tmp_path / f'run{next(made)}'}"
        return tcdflow.run(*words(standins, device, overrides, family), where)

    return runs


@pytest.fixture
def process(standins: StandIns, device: str, tmp_path: Path) -> Process:
    made = iter(range(1000))

    def runs(*overrides: str, family: Family = "sd15") -> Record:
        where = tmp_path / f"process{next(made)}"
        done = cli(*words(standins, device, overrides, family), f"hydra.run.dir={where}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return document.read(where)

    return runs


@pytest.fixture(scope="session")
def paths(standins: StandIns, photo: Path, mask: Path, edges: Path) -> dict[str, Path]:
    """What stands in capitals in the overrides of workflows."""
    return {
        "SDXL": standins.sdxl,
        "SD15": standins.sd15,
        "SD21": standins.sd21_base,
        "NINE_CHANNELS": standins.sdxl_inpainting,
        "FINETUNED": standins.sdxl_finetune,
        "CHECKPOINT": standins.single_file("sd15"),
        "TCD_SDXL": standins.thin_lora_file("sdxl", "tcd"),
        "TCD_SD15": standins.thin_lora_file("sd15", "tcd"),
        "TCD_SD21": standins.lora("sd21", "tcd"),
        "STYLE": standins.lora("sdxl", "style"),
        "DEPTH": standins.controlnet("sdxl", "depth"),
        "CANNY": standins.controlnet("sdxl", "canny"),
        "ESTIMATOR": standins.depth_estimator,
        "IP_ADAPTER": standins.ip_adapter,
        "MOTION": standins.motion_adapter("v1-5"),
        "ZOOM": standins.motion_lora,
        "GREY": standins.t2i_adapter("sd15", grey=True),
        "COLOUR": standins.t2i_adapter("sd15"),
        "VAE": standins.other_vae("sd15"),
        "TINY": standins.tiny_vae,
        "PHOTO": photo,
        "MASK": mask,
        "EDGES": edges,
    }
