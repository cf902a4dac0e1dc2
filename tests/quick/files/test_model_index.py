"""An untrusted ``model_index.json`` names classes of diffusers and transformers, and folders of its own, or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.errors import SourceError
from tcdflow.files import model_index
from tcdflow.files.model_index import check_shards, components, read_json

from .fakes import index


def test_components_and_their_classes() -> None:
    found = components(json.loads(index()))
    assert found["unet"] == "UNet2DConditionModel"
    assert found["safety_checker"] == "StableDiffusionSafetyChecker"
    assert "image_encoder" not in found  # it is left empty
    assert "requires_safety_checker" not in found


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ({"../vae": ["diffusers", "AutoencoderKL"]}, "damaged entry '../vae'"),
        ({"/etc": ["diffusers", "AutoencoderKL"]}, "damaged entry '/etc'"),
        ({"a/b": ["diffusers", "AutoencoderKL"]}, "damaged entry 'a/b'"),
        ({"..": ["diffusers", "AutoencoderKL"]}, "damaged entry '..'"),
        ({"": ["diffusers", "AutoencoderKL"]}, "damaged entry ''"),
        ({"unet": ["os", "system"]}, "takes unet from 'os'"),
        ({"unet": ["my_module", "MyUNet"]}, "takes unet from 'my_module'"),
        ({"unet": ["diffusers", "a.b"]}, "damaged entry 'unet'"),
        ({"unet": ["diffusers", 7]}, "damaged entry 'unet'"),
        ({"unet": ["diffusers"]}, "damaged entry 'unet'"),
        ({"unet": [None, "UNet2DConditionModel"]}, "damaged entry 'unet'"),
        ({"unet": []}, "damaged entry 'unet'"),
        ({"_class_name": ["my_pipeline", "MyPipeline"]}, "code is not run"),
    ],
)
def test_strange_entries_are_refused(entries: dict[str, object], why: str) -> None:
    with pytest.raises(SourceError) as caught:
        components(json.loads(index(**entries)))
    assert why in str(caught.value)


def test_an_index_without_components_is_refused() -> None:
    with pytest.raises(SourceError, match="names no component"):
        components({"_class_name": "StableDiffusionPipeline"})


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["diffusers", "UNet"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=6) | st.sampled_from(["unet", "_class_name"]), values, max_size=5))
def test_any_index_is_components_or_one_error(entries: dict[str, Any]) -> None:
    try:
        found = components(entries)
    except SourceError as error:
        assert "\n" not in str(error)
        return
    for name, cls in found.items():
        assert name.isidentifier()
        assert cls.isidentifier()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1, 2]", "not a JSON mapping"),
        (b"", "is not JSON"),
    ],
)
def test_damaged_json_is_one_line(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(SourceError, match=why) as caught:
        read_json(tmp_path / "x.json")
    assert "\n" not in str(caught.value)


def test_a_huge_config_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_index, "MAX_BYTES", 10)
    (tmp_path / "x.json").write_text('{"a": "b" }')
    with pytest.raises(SourceError, match="more than 10 bytes"):
        read_json(tmp_path / "x.json")


def test_a_missing_config_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("weight_map", "why"),
    [
        ({"a": "1.safetensors", "b": "../../secret.safetensors"}, "names '../../secret.safetensors'"),
        ({"a": "1.safetensors", "b": "2.bin"}, "names '2.bin'"),
        ({"a": "1.safetensors"}, "does not name '2.safetensors'"),
        ({"a": ["1.safetensors"]}, "no weight_map"),
        ([1], "no weight_map"),
    ],
)
def test_an_index_of_shards_names_just_those_beside_it(weight_map: object, why: str, tmp_path: Path) -> None:
    file = tmp_path / "i.json"
    file.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    with pytest.raises(SourceError) as caught:
        check_shards(file, ["1.safetensors", "2.safetensors"])
    assert why in str(caught.value)
