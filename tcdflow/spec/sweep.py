"""What holds for a sweep as a whole (key ``sweep``): more axes, combinations to leave out, what to do on failure."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tcdflow.spec.types import Float, Int, Part, SourceText


class SampleSpec(Part):
    """A random part of the cells."""

    count: Int = Field(ge=1, description="cells to draw, without repetition")
    seed: Int = Field(0, ge=0, le=2**63 - 1)


class SweepSpec(Part):
    """A sweep. Axes are keyed by what they override, e.g. ``sampling.eta`` or ``base``."""

    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.=+-]{0,99}$", description="of its directory")
    axes: dict[str, Any] = Field(default_factory=dict, description="lists of values, or text such as range(4)")
    prompts_from: SourceText | None = Field(None, description="text file with a prompt a line: an axis of its own")
    zip: tuple[tuple[str, ...], ...] = Field((), description="axes that move together, by their keys")
    exclude: tuple[dict[str, Any], ...] = Field((), description="combinations to leave out: values by key")
    sample: SampleSpec | None = None
    on_error: Literal["continue", "stop"] = "continue"
    retry: Int = Field(0, ge=0, le=100, description="times that a failed cell is tried again")
    retry_pause: Float = Field(1.0, ge=0.0, le=3600.0, description="seconds before it is")
