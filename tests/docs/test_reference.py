"""What is generated from the typed configuration is what is in the repository."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs/make_reference.py")
assert _spec is not None
assert _spec.loader is not None
make_reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_reference)
THERE = sorted([ROOT / "docs/keys.md", *(ROOT / "conf/.schema").iterdir()])


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    """Every generated file with its text."""
    made: dict[Path, str] = make_reference.pages()
    return made


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_it_is_current(path: Path, pages: dict[Path, str]) -> None:
    assert path.read_text("utf-8") == pages[path], "run: make reference"


def test_all_of_them_are_there_and_nothing_else(pages: dict[Path, str]) -> None:
    assert set(pages) == set(THERE)


def test_every_key_is_on_its_page() -> None:
    from tcdflow.cli.keytable import table

    page = (ROOT / "docs/keys.md").read_text("utf-8")
    assert [key.name for key in table() if f"| `{key.name}`" not in page] == []
