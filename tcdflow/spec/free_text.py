"""Which keys take any text: prompts, paths, addresses; not choices, names and numbers. And which of them name files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, get_args, get_origin

from tcdflow.spec.distill import root_of
from tcdflow.spec.marks import annotated, marks, options
from tcdflow.spec.problems import members
from tcdflow.spec.sweep import SweepSpec
from tcdflow.spec.types import FreeText, Place

Kind = Literal["text", "list"]


@cache
def free_text(key: str) -> Kind | None:
    """Say whether a key takes any text.

    Args:
        key: dotted, such as ``task.image`` or ``loras.tcd.source``.

    Returns:
        ``list`` where a list of such texts can stand as well; None if the key is unknown, or takes something else.
    """
    found = {in_list for mark, in_list in _marks(key) if mark is FreeText}
    return None if not found else "list" if True in found else "text"


@cache
def place_of(key: str) -> Place | None:
    """Say what files a key names; None if it names none.

    Args:
        key: dotted, such as ``task.image`` or ``loras.tcd.source``.
    """
    return next((mark for mark, _ in _marks(key) if isinstance(mark, Place)), None)


def _marks(key: str) -> Iterator[tuple[object, bool]]:
    first, _, rest = key.partition(".")
    model, parts = (SweepSpec, rest.split(".")) if first == "sweep" else (root_of(first), key.split("."))
    for annotation in _at(model, parts):
        yield from marks(annotation)


def _at(annotation: Any, parts: list[str]) -> Iterator[Any]:
    """Yield what can stand at a dotted key below an annotation."""
    if not parts:
        yield annotation
        return
    for option in options(annotation):
        if get_origin(option) is dict:
            yield from _at(get_args(option)[1], parts[1:])
    for member in members(annotation).values():
        if field := member.model_fields.get(parts[0]):
            yield from _at(annotated(field), parts[1:])
