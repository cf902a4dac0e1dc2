"""What is probably not meant of a sweep's axes: none of them varied, one displaced, a text split at its commas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString

from tcdflow.config.overrides import FREE_TEXT, as_typed
from tcdflow.spec.sweep import SweepSpec
from tcdflow.text import in_quotes, shortened

_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")


def not_swept(sweep: SweepSpec) -> Iterator[str]:
    """Yield a warning if a config declares what only a sweep varies, for a single run."""
    declared = [f"axes of {', '.join(sweep.axes)} (sweep.axes)"] if sweep.axes else []
    declared += [f"prompts from {sweep.prompts_from} (sweep.prompts_from)"] if sweep.prompts_from else []
    declared += ["gaps of prompts (sweep.wildcards)"] if sweep.wildcards else []
    if declared:
        yield f"the config declares {' and '.join(declared)}: this is one run without them; -m makes them all"


def displaced(sweep: SweepSpec, parsed: Sequence[tuple[Override, str]]) -> Iterator[str]:
    """Yield a warning for each declared axis whose place an override takes."""
    texts = {override.key_or_group: text for override, text in parsed}
    for key, values in sweep.axes.items():
        if key in texts:
            yield f"{texts[key]} takes the place of the axis {key} = {shortened(str(values), 100)} in sweep.axes"


def split_at_commas(parsed: Sequence[tuple[Override, str]]) -> Iterator[str]:
    """Yield a warning for each text with a comma and a blank, which a sweep takes for several texts."""
    for override, text in parsed:
        key, values = override.key_or_group, override.value()
        if key not in FREE_TEXT or not isinstance(values, ChoiceSweep) or not values.simple_form:
            continue
        if re.search(r",\s", _QUOTED.sub("", text)):
            shown = ", ".join(in_quotes(str(_text(piece)), 60) for piece in values.list)
            whole = as_typed(key, text.partition("=")[2])
            yield f"{key} is {len(values.list)} values, split at commas: {shown}; as one value it is written {whole}"


def _text(piece: Any) -> Any:
    return piece.text if isinstance(piece, QuotedString) else piece
