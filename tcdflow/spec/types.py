"""Building blocks of the typed configuration: the frozen base class and the value types with their checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
"""Name of a LoRA, adapter or tracker: peft forbids dots in adapter names."""

PredictionType = Literal["epsilon", "v_prediction", "sample"]


class Settings(BaseModel):
    """A frozen piece of a run; unknown keys are errors and NaN is not a number."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        defer_build=True,  # until a registry can be asked for its parts
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Describe a field that narrows an inherited one, such as the name of a part, as that one is described."""
        for name, field in cls.model_fields.items():
            if field.description is None:
                bases = [base.model_fields for base in cls.__mro__[1:] if issubclass(base, Settings)]
                known = (fields[name].description for fields in bases if name in fields)
                field.description = next(filter(None, known), None)


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, not a truth value")
    return value


Int = Annotated[int, BeforeValidator(_no_bool)]
Float = Annotated[float, BeforeValidator(_no_bool)]

MAX_SEED = 2**63 - 1
MAX_IMAGES = 1024
MAX_SIDE = 8192
"""Pixels a side of a run's images."""


def _seed(value: object) -> int | tuple[int, ...]:
    if isinstance(value, list | tuple):
        if not 0 < len(value) <= MAX_IMAGES:
            raise ValueError(f"a list of seeds holds 1 to {MAX_IMAGES} of them")
        return tuple(_one_seed(item) for item in value)
    return _one_seed(value)


def _one_seed(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise ValueError("must be a whole number from 0 to 2^63 - 1, a list of them, or random, which draws one")
    return value


_OneSeed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Seed = Annotated[
    int | tuple[int, ...],
    PlainValidator(
        _seed,
        json_schema_input_type=_OneSeed | Literal["random"] | Annotated[list[_OneSeed], Field(max_length=MAX_IMAGES)],
    ),
    PlainSerializer(lambda v: list(v) if isinstance(v, tuple) else v, return_type=Any),
]

SizeWord = Literal["input", "aspect"]
"""What of an input image is a side of the run's images: its own pixels, or what its shape makes of the other side."""


def _side(value: object) -> int | SizeWord | None:
    if value is None or value == "input" or value == "aspect":
        return value
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number, input or aspect")
    if not 8 <= value <= MAX_SIDE:
        raise ValueError(f"must be at least 8 and at most {MAX_SIDE}")
    return value


Side = Annotated[
    int | SizeWord | None,
    PlainValidator(_side, json_schema_input_type=Annotated[int, Field(ge=8, le=MAX_SIDE)] | SizeWord | None),
]
"""Width or height of a run's images in pixels."""

Weight = float | dict[str, Any]
_MAX_WEIGHT_DEPTH = 4


def block_weights(value: object, depth: int = 0) -> Weight:
    """Check a number, or numbers by component and block; a negative weight turns an effect around."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not -100.0 <= value <= 100.0:
            raise ValueError("must lie between -100 and 100")
        return float(value)
    if isinstance(value, Mapping) and value and depth < _MAX_WEIGHT_DEPTH:
        return {str(key): _block(item, depth + 1) for key, item in value.items()}
    raise ValueError("must be a number, or numbers by component and block: {unet: {down: 0.5, mid: 1}}")


def _block(value: object, depth: int) -> Any:
    if isinstance(value, list | tuple):
        return [block_weights(item, depth) for item in value]
    return block_weights(value, depth)


_OneWeight = Annotated[float, Field(ge=-100.0, le=100.0)]
LoraWeight = Annotated[Any, PlainValidator(block_weights, json_schema_input_type=_OneWeight | dict[str, Any])]
"""A number, or numbers by component and block as in diffusers' ``set_adapters``."""


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


class FreeText:
    """Marks a type whose values are text of any form: on the command line they are taken as they stand."""


Text = Annotated[str, Field(max_length=20_000), FreeText]
Description = Annotated[Text, Field(description="one line about this preset, shown by tcdflow ls")]
FilledText = Annotated[Text, BeforeValidator(lambda v: _filled(v) if isinstance(v, str) else v)]


@dataclass(frozen=True)
class Place:
    """Marks a type whose values say where files are. What is in the files decides a run, and not where they are.

    Attributes:
        holds: what the files are.
    """

    holds: Literal["weights", "images"]


_PlaceText = Annotated[str, Field(min_length=1, max_length=4096), FreeText]
SourceText = Annotated[_PlaceText, Place("weights")]
"""A place where weights, or other files that are no images, are: see ``tcdflow.files.source``."""
ImageText = Annotated[_PlaceText, Place("images")]
"""A place where an input image is."""
