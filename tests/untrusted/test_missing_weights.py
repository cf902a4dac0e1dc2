"""Weights that lack one tensor are refused by its name: the libraries fill it with random numbers, or with none."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tcdflow.errors import TcdflowError
from tests.untrusted.parts import copies, load


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return copies(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    ("what", "folder"),
    [
        ("base", "text_encoder"),
        ("base", "unet"),
        ("base", "vae"),
        ("base of SDXL", "text_encoder_2"),
        ("image_encoder", ""),
        ("controlnet", ""),
        ("t2i_adapter", ""),
        ("vae", ""),
    ],
)
def test_one_is_lacking(what: str, folder: str, parts: dict[str, Path]) -> None:
    (file,) = (parts[what] / folder).glob("*.safetensors")
    whole = load_file(file)
    missed = next(name for name in whole if name.endswith(("1.bias", "q_proj.bias")))
    load(parts, what)
    save_file({name: tensor for name, tensor in whole.items() if name != missed}, file, {"format": "pt"})
    try:
        with pytest.raises(TcdflowError, match=r"lack|missing") as caught:
            load(parts, what)
    finally:
        save_file(whole, file, {"format": "pt"})
    assert missed.removeprefix("text_model.") in str(caught.value)
