"""The direction of imports: what a package may know of the others, and who may know Hydra or torch."""

from __future__ import annotations

import ast
import functools
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import tcdflow

ROOT = Path(tcdflow.__file__).parent

# Lower may not import higher; those of one rank may not import each other. ``tcdflow/`` itself is the library's
# front door and may import whatever it shows.
RANKS = [
    {"text", "warm"},
    {"errors", "_version", "embedded"},
    {"prompts"},
    {"libraries", "spec"},
    {"config"},
    {"files"},
    {"inputs"},
    {"record"},
    {"parts"},
    {"pipeline"},
    {"engine"},
    {"request"},
    {"sweeps", "rerun", "report", "distill"},
    {"gallery", "script", "show", "tracking"},
    {"multirun", "results"},
    {"evaluate"},
    {"measure"},
    {"api", "_hydra_plugin"},
    {"cli"},
    {"__init__", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}

HYDRA = {"libraries", "config", "multirun", "cli", "_hydra_plugin"}
LIGHT = {
    "text",
    "warm",
    "errors",
    "_version",
    "embedded",
    "prompts",
    "spec",
    "config",
    "files",
    "inputs",
    "record",
    "request",
    "gallery",
    "script",
    "show",
    "tracking",
    "api",
    "cli",
}
LIGHT |= {"results", "multirun", "_hydra_plugin", "__init__", "__main__"}
HEAVY = {"torch", "diffusers", "transformers", "peft", "accelerate", "numpy", "cv2", "imageio", "av"}


def files() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def part(path: Path) -> str:
    """The part of the package that a file belongs to: a folder, or a file at the top."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@functools.cache
def imports(source: str) -> tuple[tuple[str, bool], ...]:
    """Return each imported module, wherever in the file, and whether it is imported for type checkers alone."""
    return tuple(_imports(source))


def _imports(source: str) -> Iterator[tuple[str, bool]]:
    tree = ast.parse(source)
    typing = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in typing
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what is imported"
            assert node.module is not None
            yield node.module, id(node) in typing
            for alias in node.names:
                yield f"{node.module}.{alias.name}", id(node) in typing


def inner(module: str) -> str | None:
    """The part of tcdflow that a module belongs to, or None for another package's."""
    first, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    if first != "tcdflow" or not name:
        return None
    return name if (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file() else "__init__"


def wrong(path: Path, source: str) -> list[str]:
    """Say which imports of a file go against the direction."""
    here = part(path)
    known = {inner(module) for module, _ in imports(source)} - {None, here}
    return sorted(other for other in known if other and RANK[other] >= RANK[here])


def test_every_part_has_a_rank() -> None:
    assert {part(path) for path in files()} <= RANK.keys()
    assert len(files()) >= 50


def test_imports_run_one_way() -> None:
    found = {path.relative_to(ROOT).as_posix(): wrong(path, path.read_text("utf-8")) for path in files()}
    assert {name: parts for name, parts in found.items() if parts} == {}


@pytest.mark.parametrize(
    ("file", "source", "found"),
    [
        ("spec/rules.py", "from tcdflow.record.key import run_key", ["record"]),
        ("spec/rules.py", "def late():\n    import tcdflow.engine.engine", ["engine"]),
        ("spec/rules.py", "from tcdflow import compose", ["__init__"]),
        ("embedded/__init__.py", "from tcdflow.spec import model", ["spec"]),
        ("parts/schedulers/tcd.py", "from tcdflow import pipeline", ["pipeline"]),
        ("engine/engine.py", "if TYPE_CHECKING:\n    from tcdflow.cli import run", ["cli"]),
        ("cli/run.py", "from tcdflow.text import printable\nfrom tcdflow.cli import flags", []),
    ],
)
def test_the_check_sees(file: str, source: str, found: list[str]) -> None:
    assert wrong(ROOT / file, source) == found


def test_hydra_stays_where_it_belongs() -> None:
    knowing = {
        part(path)
        for path in files()
        for module, _ in imports(path.read_text("utf-8"))
        if module.partition(".")[0] in ("hydra", "omegaconf", "antlr4")
    }
    assert "config" in knowing
    assert knowing <= HYDRA


def test_the_light_parts_never_name_a_heavy_library() -> None:
    """Not even within a function: what needs torch belongs to the pipeline or the engine."""
    named = {
        f"{path.relative_to(ROOT).as_posix()}: {module}"
        for path in files()
        if part(path) in LIGHT
        for module, typing in imports(path.read_text("utf-8"))
        if module.partition(".")[0] in HEAVY and not typing and not allowed(path, module)
    }
    assert named == set()


def allowed(path: Path, module: str) -> bool:
    """Say whether an output format or metric may use it: numbers and video frames are no weights."""
    light = module.partition(".")[0] in ("numpy", "imageio", "av")
    return light and path.parent in (ROOT / "parts" / "formats", ROOT / "parts" / "metrics")


def test_the_parts_that_need_torch_name_it() -> None:
    """The check above sees something: it would find these."""
    naming = {part(path) for path in files() if "torch" in {m for m, _ in imports(path.read_text("utf-8"))}}
    assert {"pipeline", "engine"} <= naming


def needed(path: Path) -> set[str]:
    """The modules of tcdflow that a file imports as it is imported itself, and not later or for type checkers alone."""
    tree = ast.parse(path.read_text("utf-8"))
    late = {
        id(inside)
        for block in ast.walk(tree)
        if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING")
        for inside in ast.walk(block)
    }
    early = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and id(node) not in late]
    return {name for node in early for name in (node.module, *(f"{node.module}.{a.name}" for a in node.names)) if name}


def test_no_module_imports_itself_through_others() -> None:
    names = {path: ".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in files()}
    modules = {name.removesuffix(".__init__") for name in names.values()}
    graph = {name.removesuffix(".__init__"): (needed(path) & modules) - {name} for path, name in names.items()}
    assert sum(map(len, graph.values())) > 400
    order = graphlib.TopologicalSorter({name: uses - {name} for name, uses in graph.items()})
    order.prepare()  # raises CycleError, which names the circle
