"""What a machine without a network is given is all that tcdflow needs, beside what it has."""

from __future__ import annotations

from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.wheels import SOURCES_ALONE, main, needed

THERE = ("torch", "numpy", "Pillow", "opencv_python_headless")


def test_everything_that_is_not_there_is_in_it() -> None:
    found = needed(THERE)
    there = set(map(canonicalize_name, THERE))
    for name in ("tcdflow", *found):
        for text in requires(name) or ():
            asked = Requirement(text)
            if asked.marker is None or asked.marker.evaluate({"extra": ""}):
                assert canonicalize_name(asked.name) in found.keys() | there, (name, text)
    assert found["diffusers"] == version("diffusers")
    assert not found.keys() & there
    assert found.keys() >= SOURCES_ALONE


@pytest.mark.parametrize(
    ("left_out", "gone"), [("torch", {"sympy", "networkx"}), ("rich", {"markdown-it-py", "mdurl"})]
)
def test_what_only_that_needs_is_left_out_too(left_out: str, gone: set[str]) -> None:
    kept = needed([left_out]).keys()
    assert needed().keys() - kept >= {left_out, *gone}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--there", "torhc", "numpy"], "--there torhc: tcdflow does not need it; did you mean torch?"),
        (["--python", "3.12.4"], "--python 3.12.4: tcdflow needs 3.11 or newer, written as 3.12"),
        (["--python", "3.10"], "--python 3.10: tcdflow needs 3.11 or newer"),
        ([], "is not empty"),
    ],
)
def test_a_mistake_gathers_nothing(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.whl").touch()
    monkeypatch.setattr("sys.argv", ["wheels", str(tmp_path), *words])
    with pytest.raises(SystemExit):
        main()
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["old.whl"]
