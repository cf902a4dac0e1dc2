"""Whatever the configs of a model and the metadata of its weights hold: it loads, or one line says what is wrong."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcdflow.errors import ConfigError, SourceError, TcdflowError
from tcdflow.files.finder import Finder
from tcdflow.files.resolve import resolve
from tcdflow.files.source import parse
from tests.helpers import examples
from tests.quick.files.fakes import spec
from tests.untrusted.parts import configs, copies, load

FOLDERS = (
    *("base", "base of SDXL", "vae", "tiny_vae", "controlnet", "t2i_adapter", "image_encoder", "motion_adapter"),
    *("depth", "depth of a hybrid"),
)
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


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return copies(tmp_path_factory.mktemp("changed"))


@pytest.fixture(params=FOLDERS)
def part(request: pytest.FixtureRequest, parts: dict[str, Path]) -> Path:
    return parts[request.param]


def one_line(error: TcdflowError) -> None:
    for line in str(error).splitlines():
        assert line.isprintable()
        assert len(line) < 1500
    assert len(str(error).splitlines()) == 1


@given(data=st.data())
@settings(max_examples=examples(0.6))
def test_any_value_anywhere_is_judged(part: Path, data: st.DataObject) -> None:
    """Before a library is imported."""
    config = data.draw(st.sampled_from(configs(part)))
    whole = config.read_text("utf-8")
    config.write_text(json.dumps(change(json.loads(whole), data)))
    try:
        if (part / "model_index.json").exists():
            resolve(spec(str(part), safety_checker=(part / "safety_checker").exists()), half=False)
        else:
            Finder(unpickle=True).model_folder("adapters.x", parse(str(part)), half=False)
    except (ConfigError, SourceError) as error:
        one_line(error)
    finally:
        config.write_text(whole, "utf-8")


SHARES = {"base": 0.16}
"""Of the examples: the base of SD 1.5 has most files, of the others a few are loaded."""


@pytest.mark.parametrize("what", FOLDERS)
def test_what_passes_loads_or_is_answered(what: str, parts: dict[str, Path]) -> None:
    """With the libraries themselves, which find the rest."""

    @given(data=st.data())
    @settings(max_examples=examples(SHARES.get(what, 0.04)))
    def loads(data: st.DataObject) -> None:
        config = data.draw(st.sampled_from(configs(parts[what])))
        whole = config.read_text("utf-8")
        config.write_text(json.dumps(change(json.loads(whole), data)))
        try:
            load(parts, what)
        except TcdflowError as error:
            one_line(error)
            assert re.match(r"'|(base|adapters|runtime)\.[\w.]+( = '[^']*')?: ", str(error))
        finally:
            config.write_text(whole, "utf-8")

    loads()


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
