"""Which keys take any text: prompts, paths, addresses; not choices, names and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from tcdflow.spec.distill import root_of
from tcdflow.spec.problems import members
from tcdflow.spec.sweep import SweepSpec
from tcdflow.spec.types import FreeText

Kind = Literal["text", "list"]


@cache
def free_text(key: str) -> Kind | None:
    """Say whether a key takes any text.

    Args:
        key: dotted, such as ``task.image`` or ``loras.tcd.source``.

    Returns:
        ``list`` where a list of such texts can stand as well; None if the key is unknown, or takes something else.
    """
    first, _, rest = key.partition(".")
    model, parts = (SweepSpec, rest.split(".")) if first == "sweep" else (root_of(first), key.split("."))
    kinds = {kind for place in _places(model, parts) for kind in _kinds(place)}
    return "list" if "list" in kinds else "text" if kinds else None


def _places(annotation: Any, parts: list[str]) -> Iterator[Any]:
    """Yield what can stand at a dotted key below an annotation."""
    if not parts:
        yield annotation
        return
    for option in _options(annotation):
        if get_origin(option) is dict:
            yield from _places(get_args(option)[1], parts[1:])
    for member in members(annotation).values():
        if field := member.model_fields.get(parts[0]):
            yield from _places(_annotated(field), parts[1:])


def _kinds(annotation: Any, kind: Kind = "text") -> Iterator[Kind]:
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from [kind] if FreeText in metadata else _kinds(inner, kind)
        return
    for option in _options(annotation):
        if get_origin(option) is tuple:
            yield from _kinds(get_args(option)[0], "list")
        elif option is not annotation:
            yield from _kinds(option, kind)


def _options(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield option if get_origin(option) is Annotated else next(_options(option))
    else:
        yield annotation


def _annotated(field: FieldInfo) -> Any:
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
