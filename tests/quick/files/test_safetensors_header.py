"""Damage in a safetensors file is found from its header alone, and whatever safetensors accepts passes."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save, save_file

from tcdflow.errors import SourceError
from tcdflow.files.safetensors_header import check_header, read_header

from .fakes import weights

ARRAYS: dict[str, NDArray[Any]] = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.ones(3, np.float16),
    "c": np.array(1, np.int64),
}


def with_header(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(dtype: str, shape: object, start: object, end: object) -> dict[str, object]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}}


def test_whole_files_pass_and_name_their_tensors(tmp_path: Path) -> None:
    save_file(ARRAYS, tmp_path / "x.safetensors", metadata={"format": "pt"})
    check_header(tmp_path / "x.safetensors")
    assert sorted(read_header(tmp_path / "x.safetensors").shapes) == ["a", "b", "c"]


def test_a_file_without_tensors_passes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(save({}))
    check_header(tmp_path / "x")
    assert read_header(tmp_path / "x").shapes == {}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\x10", "not a safetensors file, or damaged at its start"),
        (weights()[:20], "cut short within its header"),
        (weights()[:-1], "cut short: 1 of its bytes"),
        (weights() + b"more", "4 bytes that belong to no tensor"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>404</html>", "error page"),
        (b'{"error": "no such file at all"}', "error page"),
        (b"PK\x03\x04" + bytes(40), "is a pickle under another name"),
        (pickle.dumps({"a": 1}, protocol=2), "is a pickle under another name"),
        (b"\xff" * 40, "damaged at its start"),
        (with_header(b"{]"), "header is not JSON"),
        (with_header(b"[" * 100_000), "header is not JSON"),
        (with_header(b"\xff\xfe{}"), "header is not JSON"),
        (with_header([1]), "header is not a mapping"),
        (with_header({"__metadata__": [1]}), "metadata is not a mapping of texts"),
        (with_header({"__metadata__": 1}), "metadata is not a mapping of texts"),
        (with_header({"__metadata__": None}), "metadata is not a mapping of texts"),
        (with_header({"__metadata__": {"format": 1}}), "metadata is not a mapping of texts"),
        (with_header({"__metadata__": {"a": {"b": "c"}}}), "metadata is not a mapping of texts"),
        (with_header(b'{"w": ' + b"1" * 5000 + b"}"), "header is not JSON"),
        (with_header({"w": 1}), "does not describe 'w'"),
        (with_header(entry("F32", [1], 4, 0)), "does not describe 'w'"),
        (with_header(entry("F32", [1], -4, 0)), "does not describe 'w'"),
        (with_header(entry("F32", [-1], 0, 4), bytes(4)), "does not describe 'w'"),
        (with_header(entry("F32", "1", 0, 4), bytes(4)), "does not describe 'w'"),
        (with_header(entry("F32", [1], 0, "4"), bytes(4)), "does not describe 'w'"),
        (with_header(entry("F32", [2], 0, 4), bytes(4)), "another size than its shape"),
        (with_header(entry("F32", [1], 4, 8), bytes(8)), "do not follow those before"),
        (with_header(entry("F32", [2**62] * 16, 0, 4), bytes(4)), "another size than its shape"),
    ],
)
def test_damage_is_named(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        check_header(file)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


arrays = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
    st.builds(
        lambda shape, dtype: np.zeros(shape, dtype),
        st.lists(st.integers(0, 3), max_size=3),
        st.sampled_from(["f4", "f2", "i8", "u1", "bool", "f8"]),
    ),
    max_size=4,
)


@given(arrays, st.data())
def test_it_agrees_with_safetensors_on_whole_and_cut_files(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, NDArray[Any]], data: st.DataObject
) -> None:
    content = save(tensors)
    cut = content[: data.draw(st.integers(0, len(content)))]
    file = tmp_path_factory.mktemp("x") / "x"
    file.write_bytes(cut)
    try:
        load(cut)
        good = True
    except SafetensorError:
        good = False
    try:
        check_header(file)
        assert good
        assert set(read_header(file).shapes) == set(tensors)
    except SourceError:
        assert not good


@given(st.binary(max_size=200))
def test_any_bytes_pass_or_are_a_source_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("x") / "x"
    for framed in (content, with_header(content)):
        file.write_bytes(framed)
        for read in (check_header, read_header):
            try:
                read(file)
            except SourceError as error:
                assert "\n" not in str(error)


def test_it_needs_neither_torch_nor_safetensors() -> None:
    code = "import sys, tcdflow.files.safetensors_header; assert not {'torch', 'safetensors'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
