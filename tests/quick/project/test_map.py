"""CONTRIBUTING's map names the packages, the direction of their imports and the rooms of the tests as they are."""

from __future__ import annotations

import re
from pathlib import Path

from tests.quick.project.test_imports import RANKS
from tests.quick.project.test_imports import ROOT as PACKAGE

ROOT = Path(__file__).parents[3]


def folders(directory: Path) -> set[str]:
    return {path.parent.name for path in directory.glob("*/__init__.py")}


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def rows(section: str) -> list[tuple[list[str], str]]:
    """The rows of a section's table: the names in its first column, and its second column."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    cells = [row.split("|") for row in re.findall(r"^\| `.*", text, re.MULTILINE)]
    return [(names(row[1]), row[2]) for row in cells]


def named(section: str) -> list[str]:
    return sorted(name for found, _ in rows(section) for name in found)


def within(section: str, name: str) -> set[str]:
    """The names in the second column of a row."""
    (text,) = (text for found, text in rows(section) if name in found)
    return set(names(text))


def test_each_package_is_named_and_there() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert named("The map") == sorted(folders(PACKAGE) | modules)
    assert within("The map", "parts") == folders(PACKAGE / "parts")


def test_the_map_has_the_direction_of_imports() -> None:
    there = folders(PACKAGE) | {path.stem for path in PACKAGE.glob("*.py")}
    ranks = [rank & there for rank in RANKS if rank & there]
    assert [set(found) for found, _ in rows("The map")] == ranks[::-1]


def test_each_room_is_named_and_there() -> None:
    assert named("Tests") == sorted(folders(ROOT / "tests"))
    assert within("Tests", "quick") == folders(ROOT / "tests/quick")
