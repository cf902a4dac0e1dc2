"""What a machine without a network is given is all that tcdflow needs, beside what it has."""

from __future__ import annotations

from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.wheels import SOURCES_ALONE, needed

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
    assert needed([]).keys() - kept >= {left_out, *gone}
