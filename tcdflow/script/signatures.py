"""What classes of diffusers take, read from their source: to import them would import torch."""

from __future__ import annotations

import ast
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Signature(NamedTuple):
    """Of a pipeline.

    Attributes:
        name: of the class.
        parts: parameters of its constructor.
        call: parameters of its call.
        loads_loras: whether diffusers gave it a LoRA loader.
    """

    name: str
    parts: tuple[str, ...]
    call: tuple[str, ...]
    loads_loras: bool


@lru_cache(maxsize=64)
def signature(pipeline: str) -> Signature:
    """Return what a pipeline takes.

    Args:
        pipeline: module below ``diffusers.pipelines`` and class, joined by a colon.
    """
    module, _, name = pipeline.partition(":")
    spec = find_spec("diffusers")
    assert spec is not None and spec.origin is not None, "tcdflow depends on it"
    path = Path(spec.origin).parent / "pipelines" / f"{module.replace('.', '/')}.py"
    found = next(
        node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef) and node.name == name
    )
    methods = {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}
    bases = [base.id for base in found.bases if isinstance(base, ast.Name)]
    return Signature(
        name,
        _parameters(methods["__init__"]),
        _parameters(methods["__call__"]),
        any(base.endswith("LoraLoaderMixin") for base in bases),
    )


def _parameters(function: ast.FunctionDef) -> tuple[str, ...]:
    arguments = function.args
    return tuple(one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))[1:]
