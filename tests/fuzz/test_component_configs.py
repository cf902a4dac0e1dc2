"""Whatever the configs of a model and the metadata of its weights hold: it loads, or one line says what is wrong."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcdflow.errors import ConfigError, SourceError, TcdflowError
from tcdflow.files.component_config import DATA
from tcdflow.files.finder import Finder
from tcdflow.files.resolve import resolve
from tcdflow.files.source import parse
from tests.helpers import examples
from tests.quick.files.fakes import spec
from tests.standins import StandIns

BASES = ("sd15_with_safety_checker", "sd21_base", "sdxl")
MODELS = ("image_encoder", "depth_estimator", "motion_adapter", "t2i_adapter")
NUMBERS = [0, 1, -1, 3, 77, 2**20, 2**31, 2**63, 10**30, 0.0, -0.5, 1e300, float("nan"), float("inf")]
TEXTS = ["", "x", "os.system", "kernels-community/x@main", "(a+)+$", "\x1b[31m", "../..", "sdpa", "CLIPTextModel"]
SCALARS: st.SearchStrategy[Any] = st.sampled_from([None, True, False, *NUMBERS, *TEXTS])
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.sampled_from(["a", "size", "Regex"]), SCALARS)
MISSING = object()
ADDED = ("auto_map", "_attn_implementation", "num_hidden_layers", "quantization_config", "x")


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each key of a JSON, at any depth."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def change(plain: Any, data: st.DataObject) -> Any:
    """Put another value somewhere, leave one out, or add a key."""
    path = data.draw(st.sampled_from(list(places(plain))))
    parent, last = plain, path[-1]
    for key in path[:-1]:
        parent = parent[key]
    if isinstance(parent, dict) and data.draw(st.integers(0, 4)) == 0:
        last = data.draw(st.sampled_from(ADDED))
    value = data.draw(VALUES | st.just(MISSING))
    if value is not MISSING:
        parent[last] = value
    elif isinstance(parent, list) or last in parent:
        del parent[last]
    return plain


def copy(standins: StandIns, name: str, folder: Path) -> Path:
    match name:
        case "image_encoder":
            source = standins.ip_adapter / "models/image_encoder"
        case "motion_adapter":
            source = standins.motion_adapter()
        case "t2i_adapter":
            source = standins.t2i_adapter("sd15")
        case _:
            source = getattr(standins, name)
    return shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.fp16.*"))


@pytest.fixture(scope="module", params=[*BASES, *MODELS])
def model(request: pytest.FixtureRequest, standins: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(standins, request.param, tmp_path_factory.mktemp("changed"))


@pytest.fixture(scope="module", params=["sd15_with_safety_checker"])
def base(request: pytest.FixtureRequest, standins: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(standins, request.param, tmp_path_factory.mktemp("loaded"))


def configs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.json") if path.name not in DATA)


def one_line(error: TcdflowError) -> None:
    for line in str(error).splitlines():
        assert line.isprintable()
        assert len(line) < 1500
    assert len(str(error).splitlines()) == 1


@given(data=st.data())
def test_any_value_anywhere_is_judged(model: Path, data: st.DataObject) -> None:
    """Before a library is imported."""
    config = data.draw(st.sampled_from(configs(model)))
    whole = config.read_text("utf-8")
    config.write_text(json.dumps(change(json.loads(whole), data)))
    try:
        if (model / "model_index.json").exists():
            resolve(spec(str(model), safety_checker=(model / "safety_checker").exists()), half=False)
        else:
            Finder().model_folder("adapters.x", parse(str(model)), half=False)
    except (ConfigError, SourceError) as error:
        one_line(error)
    finally:
        config.write_text(whole, "utf-8")


@given(data=st.data())
@settings(max_examples=examples(0.2))
def test_what_passes_loads_or_is_answered(base: Path, data: st.DataObject) -> None:
    """With the libraries themselves, which find the rest."""
    import torch

    from tcdflow.pipeline.base import load

    config = data.draw(st.sampled_from(configs(base)))
    whole = config.read_text("utf-8")
    config.write_text(json.dumps(change(json.loads(whole), data)))
    try:
        wanted = spec(str(base))
        load(wanted, resolve(wanted, half=False), torch.device("cpu"), torch.float32)
    except TcdflowError as error:
        one_line(error)
        assert str(error).startswith("base.source = ") or str(error).startswith("base.source: ")
    finally:
        config.write_text(whole, "utf-8")


@given(metadata=VALUES | st.dictionaries(st.text(max_size=5), VALUES, max_size=3))
def test_any_metadata_of_weights(metadata: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("weights") / "x.safetensors"
    header = {"__metadata__": metadata, "w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    try:
        Finder().weight_file("loras.x", parse(str(path)))
    except SourceError as error:
        one_line(error)
        assert "metadata is not a mapping of texts" in str(error) or "not JSON" in str(error)
