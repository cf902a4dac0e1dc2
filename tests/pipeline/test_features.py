"""Features by models: of the extra ``metrics``, and of vision models of transformers that a user names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, ViTConfig, ViTImageProcessor, ViTModel

from tcdflow.errors import ConfigError, SourceError
from tcdflow.evaluate.features import ImageSource, choose

IMAGES = [Image.effect_mandelbrot((40, 40), (-2, -1.5, 1, 1.5), 20 + n).convert("RGB") for n in range(3)]


def sources() -> list[ImageSource]:
    return [ImageSource(f"pixels {n}", lambda image=image: image) for n, image in enumerate(IMAGES)]  # type: ignore[misc]


def unreadable() -> list[ImageSource]:
    def fail() -> Image.Image:
        raise AssertionError("is in the cache")

    return [ImageSource(f"pixels {n}", fail) for n in range(len(IMAGES))]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "vit")
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    vision = {**small, "image_size": 32, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=small, vision_config=vision, projection_dim=12)).save_pretrained(tmp_path / "clip")
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path / "clip")
    return tmp_path / "clip"


def test_efficientnet_needs_no_network_and_is_cached() -> None:
    (one,) = choose(["efficientnet"], lambda done, total: None)
    found = one.of(sources())
    assert found.shape == (3, 1280) and np.isfinite(found).all()
    assert len({row.tobytes() for row in found}) == 3
    assert (one.of(unreadable()) == found).all()


@pytest.mark.parametrize(("kind", "dimensions"), [("vit", 16), ("clip", 12)])
def test_a_vision_model_by_its_folder(kind: str, dimensions: int, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(kind)
    (one,) = choose([str(folder)], lambda done, total: None)
    found = one.of(sources())
    assert (one.name, found.shape) == (kind, (3, dimensions)) and np.isfinite(found).all()
    assert {file.file for file in one.files} >= {"config.json", "model.safetensors", "preprocessor_config.json"}
    if kind == "clip":
        pixels = CLIPImageProcessor.from_pretrained(folder)(images=IMAGES, return_tensors="pt").pixel_values
        with torch.no_grad():
            output = CLIPModel.from_pretrained(folder).eval().get_image_features(pixel_values=pixels)
        wanted = output if torch.is_tensor(output) else output.pooler_output
        assert np.allclose(found, wanted.numpy(), atol=1e-5)


def test_other_weights_are_other_features(vit: Path) -> None:
    before = choose([str(vit)], lambda done, total: None)[0].of(sources())
    torch.manual_seed(1)
    model = ViTModel.from_pretrained(vit, add_pooling_layer=False)
    torch.nn.init.normal_(model.embeddings.patch_embeddings.projection.weight)
    model.save_pretrained(vit)
    assert not np.allclose(choose([str(vit)], lambda done, total: None)[0].of(sources()), before)


def test_what_is_no_vision_model_is_said(vit: Path, tmp_path: Path) -> None:
    config = json.loads((vit / "config.json").read_text())
    (vit / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(SourceError, match="its weights lack"):
        choose([str(vit)], lambda done, total: None)[0].of(sources())
    (vit / "config.json").write_text(
        json.dumps({**config, "auto_map": {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}})
    )
    (vit / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ConfigError, match=r"--features.*auto_map"):
        choose([str(vit)], lambda done, total: None)
    assert not (tmp_path / "ran").exists()
    (vit / "model.safetensors").rename(vit / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="--features"):
        choose([str(vit)], lambda done, total: None)
