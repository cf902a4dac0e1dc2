"""What lies beside the code: containers, the sdist's list, how to cite, forms for issues; and how long files are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
DOCKERFILES = sorted(ROOT.glob("Dockerfile*"))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def test_the_sdist_lists_what_is_there() -> None:
    listed = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    assert [name for name in listed if not (ROOT / name).exists()] == []
    assert {"tcdflow", "conf", "docs", "tests"} <= set(listed)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_container_copies_what_the_build_needs_and_may_see(path: Path) -> None:
    text = path.read_text("utf-8")
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for name in line.split()}
    seen = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    assert [name for name in copied if not (ROOT / name).exists() or name not in seen] == []
    needed = {"tcdflow", "conf", "pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    assert needed <= copied
    extras = set(re.findall(r"'\.\[([\w,]+)\]'", text)[0].split(","))
    assert extras <= set(PROJECT["project"]["optional-dependencies"])
    assert re.search(r"^USER (?!root)", text, re.MULTILINE) and text.rstrip().endswith('ENTRYPOINT ["tcdflow"]')


def test_no_file_is_longer_than_400_lines() -> None:
    code = [path for name in ("tcdflow", "tests", "scripts") for path in (ROOT / name).rglob("*")]
    code = [path for path in [*code, *(ROOT / "docs").glob("*.py")] if path.suffix in (".py", ".js", ".css", ".html")]
    lines = {path.relative_to(ROOT).as_posix(): path.read_bytes().count(b"\n") for path in code}
    assert len(lines) > 800
    assert {path: count for path, count in lines.items() if count > 400} == {}, "one idea a file: split it"


def test_both_containers_are_there() -> None:
    assert [path.name for path in DOCKERFILES] == ["Dockerfile", "Dockerfile.cuda"]


def test_it_can_be_cited() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert cited["license"] == PROJECT["project"]["license"]
    assert "version" not in cited  # it is written once


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_is_one(path: Path) -> None:
    form = yaml.safe_load(path.read_text("utf-8"))
    if path.stem == "config":
        assert form["blank_issues_enabled"] is True
        return
    assert form["name"] and form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all(field["attributes"]["label"] for field in fields)
    ids = [field["id"] for field in fields]
    assert ids and len(ids) == len(set(ids))
