"""What is imported is declared, and what is declared is imported, or somebody needs it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.helpers import python

ROOT = Path(__file__).parents[3]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ("ray", "sweepers", "metrics", "distill", "tensorboard", "mlflow", "wandb")
NEVER_IMPORTED = {
    "alembic": "mlflow-skinny makes its own database with it",
    "sqlalchemy": "mlflow-skinny reads and writes its own database with it",
    "optuna": "holds the sweeper's own bound",
    "hydra-optuna-sweeper": "a plug-in that Hydra finds",
    "hydra-joblib-launcher": "a plug-in that Hydra finds",
    "hydra-submitit-launcher": "a plug-in that Hydra finds",
}
BROUGHT = {"pydantic_core": "pydantic"}
"""Modules whose distribution another one pins exactly, so that a range of ours could only contradict it."""
DISTRIBUTIONS = packages_distributions()


def declared() -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra])]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def imported() -> dict[str, set[str]]:
    """The distributions whose modules are imported, anywhere in a file, with those modules."""
    modules: set[str] = set()
    for path in (ROOT / "tcdflow").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    others = {BROUGHT.get(module, module) for module in modules} - sys.stdlib_module_names - {"tcdflow", "_typeshed"}
    return {module: {canonicalize_name(name) for name in DISTRIBUTIONS.get(module, [module])} for module in others}


def test_what_is_imported_is_declared() -> None:
    found = imported()
    assert len(found) >= 15
    assert {module for module, names in found.items() if not names & declared()} == set()


def test_what_is_declared_is_imported() -> None:
    used = {name for names in imported().values() for name in names}
    assert declared() - used == NEVER_IMPORTED.keys()


def test_elsewhere_it_says_where_it_runs(tmp_path: Path) -> None:
    done = python("-c", "import os; os.name = 'nt'; import tcdflow", cwd=tmp_path)
    assert re.search(r"^ImportError: tcdflow runs on Linux and macOS: .*, not nt's$", done.stderr, re.M), done.stderr
