"""What is done about a problem depends on its fields: its text is for people, and may be worded otherwise any time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def asked(source: str) -> Iterator[str]:
    """Yield where a problem's text is compared, searched or taken apart."""
    for node in ast.walk(ast.parse(source)):
        operands: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            searched = node.func.attr in ("match", "search", "fullmatch", "findall")
            operands = [node.func.value, *(node.args if searched else ())]
        if any(isinstance(operand, ast.Attribute) and operand.attr == "what" for operand in operands):
            yield ast.unparse(node)


def test_nothing_asks_how_a_problem_is_worded() -> None:
    found = {path.name: list(asked(path.read_text("utf-8"))) for path in (ROOT / "tcdflow").rglob("*.py")}
    assert {name: where for name, where in found.items() if where} == {}, "give it a kind, or another field of Problem"


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("problem.what == 'must be a mapping'", True),
        ("'required' in problem.what", True),
        ("problem.what.startswith('is required')", True),
        ("re.search('trained for', problem.what)", True),
        ("FAMILIES.search(problem.what)", True),
        ("replace(problem, what=f'{problem.what}; more')", False),
        ("'; '.join([problem.what, more])", False),
        ("problem.kind == 'missing'", False),
    ],
)
def test_the_scan_sees(source: str, seen: bool) -> None:
    assert bool(list(asked(source))) == seen
