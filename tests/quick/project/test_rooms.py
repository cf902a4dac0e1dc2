"""The rooms of the tests are those that CONTRIBUTING.md names."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def folders(directory: Path) -> set[str]:
    return {path.parent.name for path in directory.glob("*/__init__.py")}


def test_each_room_is_named_and_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Tests")[2].partition("## ")[0]
    rows = [row.split("|") for row in re.findall(r"^\| `.*", text, re.MULTILINE)]
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row[1])) == sorted(folders(ROOT / "tests"))
    (quick,) = (row[2] for row in rows if "`quick`" in row[1])
    assert set(re.findall(r"`(\w+)`", quick)) == folders(ROOT / "tests/quick")
