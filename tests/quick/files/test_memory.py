"""Weights that the machine has no memory for are said before they are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcdflow.files import memory
from tcdflow.files.resolve import resolve

from .fakes import pipeline, spec, weights, write


def test_weights_beyond_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unet = "unet/diffusion_pytorch_model.safetensors"
    write(tmp_path, pipeline(("",)) | {unet: weights(1, *map(str, range(97)))})
    wanted = spec(str(tmp_path))
    files = resolve(wanted)  # 97 numbers, and one each of the VAE and the text encoder
    monkeypatch.setattr(memory, "machine_bytes", lambda: 4 * 99)
    assert list(memory.warnings(wanted, files)) == []
    monkeypatch.setattr(memory, "machine_bytes", lambda: 4 * 99 - 1)
    (said,) = memory.warnings(wanted, files)
    assert said.endswith("runtime.dtype=bfloat16 takes half of that")
    for changed in ({"dtype": "bfloat16"}, {"device": "cuda"}):
        other = wanted.model_copy(update={"runtime": wanted.runtime.model_copy(update=changed)})
        assert list(memory.warnings(other, files)) == []


def test_the_machine_has_some() -> None:
    assert (memory.machine_bytes() or 2**30) >= 2**28
