"""No config of a model chooses code, an implementation, a kernel, a quantizer or a class, whatever is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import python
from tests.untrusted import stubs
from tests.untrusted.parts import changed, copies, judged


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return copies(tmp_path_factory.mktemp("parts"))


def test_each_key_in_each_file_of_each_part_is_refused_by_name(parts: dict[str, Path]) -> None:
    files = set()
    for _, path, key, value in stubs.attacks(parts):
        with changed(path, key, value):
            said = judged(path)
        assert said.startswith(f"{path.name} {key}: ") and "install" not in said
        files.add(path)
    assert len(files) > 25


@pytest.mark.slow
def test_nothing_of_it_reaches_packages_that_record(tmp_path: Path) -> None:
    """With all of them installed; that they can be reached at all shows where nothing is checked."""
    done = python("-m", "tests.untrusted.stubs", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((tmp_path / "found.json").read_text())
    assert found["failed"] == {}, "all parts load"
    assert found["reached"] == []
    assert "call kernels.get_kernel" in found["unchecked"]["attn_implementation"]
    assert "import xielu" in found["unchecked"]["hidden_act"]
    for file, answers in found["answers"].items():
        for key, said in answers.items():
            assert said.startswith(f"{file.rpartition('/')[2]} {key}: ")
    assert len(found["whole"]) > 200
    for what, said in found["whole"].items():
        assert "install" not in said and len(said.splitlines()) <= 1, what
        assert said or not what.endswith(".json"), "each file is looked at before it is loaded"
