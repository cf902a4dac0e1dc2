"""Runs of tcdflow, and the images that they and the scripts are given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

import tcdflow
from tcdflow.engine.result import Result
from tests.helpers import Write
from tests.standins import Family, LoraKind, StandIns

__all__ = ["Run", "Thin", "Write"]

Run = Callable[..., Result]
Thin = Callable[[Family, LoraKind], Path]
_KEPT = ("to_out", "conv1", "out_proj")


@pytest.fixture
def run(standins: StandIns, tmp_path: Path) -> Run:
    """Make a run as a user's program does, on the CPU; the engine stays warm from test to test."""
    made = iter(range(1000))

    def runs(*overrides: str, config_dir: Path | None = None) -> Result:
        where = f"hydra.run.dir={tmp_path / f'run{next(made)}'}"
        return tcdflow.run(*overrides, "runtime.device=cpu", where, config_dir=config_dir)

    return runs


@pytest.fixture(scope="session")
def thin(standins: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Thin:
    """LoRAs of which only the attentions' output layers and the first convolutions are left.

    peft takes a second to put a whole one on; the guide's scripts are compared with whole ones.
    """
    folder = tmp_path_factory.mktemp("loras")

    def thinned(family: Family, kind: LoraKind) -> Path:
        file = folder / f"{family}_{kind}.safetensors"
        if not file.exists():
            tensors = load_file(standins.lora_file(family, kind))
            kept = {key: value for key, value in tensors.items() if any(part in key for part in _KEPT)}
            assert 0 < len(kept) < len(tensors) / 3
            save_file(kept, file)
        return file

    return thinned


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image whose size and shape are not those of a run: coarse blocks of colour, with noise on them."""
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 256, (5, 7, 3)).repeat(16, 0).repeat(16, 1)
    return _saved(blocks + rng.integers(-20, 20, blocks.shape), tmp_path_factory, "photo.png")


@pytest.fixture(scope="session")
def second_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one."""
    rng = np.random.default_rng(2)
    blocks = rng.integers(0, 256, (6, 4, 3)).repeat(20, 0).repeat(20, 1)
    return _saved(blocks + rng.integers(-20, 20, blocks.shape), tmp_path_factory, "second.png")


@pytest.fixture(scope="session")
def mask(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mask for ``photo``: white off the middle, with a slanting edge."""
    y, x = np.mgrid[:80, :112]
    return _saved((x + y // 2 > 70) * 255, tmp_path_factory, "mask.png")


@pytest.fixture(scope="session")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """White lines on black, 96 × 64: a control image that is given as it is decides the size of a run."""
    y, x = np.mgrid[:64, :96]
    return _saved(((x - y) % 23 < 2) * 255, tmp_path_factory, "edges.png")


def _saved(values: np.ndarray, factory: pytest.TempPathFactory, name: str) -> Path:
    path = factory.mktemp("pictures") / name
    Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).convert("RGB").save(path)
    return path
