"""What types are marked with: which fields take any text, and which of them say where files are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from tcdflow.spec.types import Place, Settings


def marks(annotation: Any, in_list: bool = False) -> Iterator[tuple[object, bool]]:
    """Yield what an annotation is marked with, whatever of it may be null, each with whether that is in a list."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from ((mark, in_list) for mark in metadata)
        yield from marks(inner, in_list)
        return
    for option in options(annotation):
        if get_origin(option) is tuple:
            yield from marks(get_args(option)[0], True)
        elif option is not annotation:
            yield from marks(option, in_list)


def options(annotation: Any) -> Iterator[Any]:
    """Yield the types that an annotation is a choice of, or the one that it is."""
    if get_origin(annotation) is Annotated:
        yield from options(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield option if get_origin(option) is Annotated else next(options(option))
    else:
        yield annotation


def annotated(field: FieldInfo) -> Any:
    """Return the annotation of a field as it was written."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


@cache
def place_fields(model: type[Settings]) -> frozenset[str]:
    """Return the fields of a model that say where files are."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if any(isinstance(mark, Place) for mark, _ in marks(annotated(field)))
    )


def without_places(part: Settings, plain: dict[str, Any]) -> dict[str, Any]:
    """Return settings without what says where files are, and without descriptions.

    Args:
        part: the settings.
        plain: of them, as plain values, and what else is to be kept beside them.
    """
    left_out = _left_out(type(part))
    return {
        # Only mappings are looked into: this is asked for each cell of a sweep.
        name: without_places(inner, value)
        if isinstance(value, dict) and isinstance(inner := getattr(part, name, None), Settings)
        else value
        for name, value in plain.items()
        if name not in left_out
    }


@cache
def _left_out(model: type[Settings]) -> frozenset[str]:
    return place_fields(model) | {"description"}
