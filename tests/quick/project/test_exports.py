"""What the library shows: the names of ``tcdflow.__all__``, each with its documentation."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import tcdflow
from tcdflow import errors


def test_all_is_sorted_and_public() -> None:
    assert list(tcdflow.__all__) == sorted(set(tcdflow.__all__))
    assert [name for name in tcdflow.__all__ if name.startswith("_")] == ["__version__"]
    assert {"compose", "run", "RunSpec", "Result", "TcdflowError"} <= set(tcdflow.__all__)


@pytest.mark.parametrize("name", tcdflow.__all__)
def test_each_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(tcdflow, name)
    if name != "__version__":
        assert inspect.getdoc(value)
        assert value.__name__ == name


def test_nothing_public_is_left_out() -> None:
    """A name that shows up in the package without being exported is there by accident."""
    tree = ast.parse(Path(tcdflow.__file__).read_text("utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tcdflow")
        for alias in node.names
    }
    assert imported == set(tcdflow.__all__)


def test_no_name_is_that_of_a_package() -> None:
    """Whoever imports ``tcdflow.NAME`` sets the attribute, and the function of that name would be gone."""
    packages = {path.name.removesuffix(".py") for path in Path(tcdflow.__file__).parent.iterdir()}
    assert packages & set(tcdflow.__all__) == set()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(tcdflow, "nothing")  # noqa: B009


@pytest.mark.parametrize("name", [n for n in tcdflow.__all__ if n.endswith("Error")])
def test_the_tree_of_errors_is_drawn_as_it_is(name: str) -> None:
    """Each error stands in the drawing of :mod:`tcdflow.errors`, indented below the one it derives from."""
    drawing = (errors.__doc__ or "").splitlines()
    depth = {
        line.strip("│├└─ ").split()[0]: len(line) - len(line.lstrip("│├└─ ")) for line in drawing if "Error" in line
    }
    error: type[errors.TcdflowError] = getattr(tcdflow, name)
    assert issubclass(error, errors.TcdflowError)
    ancestors = [cls.__name__ for cls in error.__mro__ if issubclass(cls, errors.TcdflowError)]
    assert [depth[cls] for cls in ancestors] == [depth[name] - 4 * step for step in range(len(ancestors))]


@pytest.mark.parametrize(
    ("error", "status"),
    [(errors.TcdflowError, 1), (errors.RequestError, 2), (errors.RecordError, 2), (errors.OutputError, 1)],
)
def test_an_error_knows_its_exit_status(error: type[errors.TcdflowError], status: int) -> None:
    assert error.exit_status == status


def test_every_public_function_and_class_is_documented() -> None:
    silent: list[str] = []
    seen = 0
    root = Path(tcdflow.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                seen += 1
                if not ast.get_docstring(node):
                    silent.append(f"{path.relative_to(root)}:{node.name}")
    assert seen >= 100
    assert silent == []
