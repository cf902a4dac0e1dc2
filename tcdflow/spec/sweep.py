"""Settings of a sweep as a whole (key ``sweep``): axes, combinations to leave out, what to do on failure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tcdflow.spec.metrics import METRICS
from tcdflow.spec.registry import NamesOf
from tcdflow.spec.types import Float, FreeText, Int, Settings, SourceText


class SampleSpec(Settings):
    """A random sample of the cells."""

    count: Int = Field(ge=1, description="number of cells to draw, without repetition")
    seed: Int = Field(0, ge=0, le=2**63 - 1, description="seed of the draw")


class WildcardsSpec(Settings):
    """What fills the gaps of prompts: ``{red|blue}``, and ``__animals__`` from a folder's ``animals.txt``."""

    folder: SourceText | None = Field(None, description="folder of the .txt files, one option a line; null is for none")
    count: Int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="prompts to draw of each with gaps, none twice; null makes all that there are",
    )
    seed: Int = Field(0, ge=0, le=2**63 - 1, description="seed of the draw")


class SweepSpec(Settings):
    """A sweep. Axes are keyed by what they override, e.g. ``sampling.eta`` or ``base``.

    In a YAML::

        sweep:
          axes:
            sampling.steps: [2, 4, 8]
            sampling.eta: [0, 0.3, 1]
            sampling.seed: range(4)
          zip: [[sampling.steps, sampling.eta]]
          exclude:
            - {sampling.steps: 2, sampling.seed: [0, 1]}
          sample: {count: 6, seed: 1}

    and on the command line, where each setting is one override in quotes::

        tcdflow -m sampling.steps=2,4,8 sampling.eta=0,0.3,1 'sweep.zip=[[sampling.steps,sampling.eta]]'
        tcdflow -m sampling.steps=2,4 sampling.eta=0,1 'sweep.exclude=[{sampling.steps:2,sampling.eta:1}]'
        tcdflow -m sampling.seed='range(100)' sweep.sample.count=6 sweep.prompts_from=prompts.txt
        tcdflow -m "prompt='a {red|blue} __animals__'" sweep.wildcards.folder=words sweep.wildcards.count=10

    What the command line says of a key takes the place of an axis that a YAML declares for it.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.=+-]*$", max_length=100), FreeText] | None = Field(
        None,
        description="name of the sweep's directory; null makes one from what varies",
    )
    axes: dict[str, Any] = Field(
        default_factory=dict,
        description="what varies: a list of values, or text such as range(4), by the key or group it overrides",
    )
    prompts_from: SourceText | None = Field(
        None,
        description="a file of prompts, as an axis: .txt with one a line, or .csv or .jsonl with rows of prompt, "
        "negative_prompt, prompt_2, negative_prompt_2, seed, width and height",
    )
    wildcards: WildcardsSpec | None = Field(
        None, description="fill the gaps of prompts, {a|b} and __file__, as an axis; null takes them as text"
    )
    zip: tuple[tuple[str, ...], ...] = Field((), description="groups of axes that vary together, by their keys")
    exclude: tuple[dict[str, Any], ...] = Field(
        (), description="combinations to leave out: a value, or a list of values, by the key of an axis"
    )
    sample: SampleSpec | None = Field(None, description="run a random sample of the cells; null runs all")
    flat: bool = Field(
        False,
        description="put the images of all cells into one folder, images/, too: named by output.name, or as the cells",
    )
    on_error: Literal["continue", "stop"] = Field(
        "continue", description="what a failed cell does to the rest of the sweep"
    )
    retry: Int = Field(0, ge=0, le=100, description="times that a failed cell is tried again")
    retry_pause: Float = Field(1.0, ge=0.0, le=3600.0, description="seconds to wait before trying again")
    out_of_memory: Literal["none", "model", "sequential", "group"] = Field(
        "none", description="runtime.offload to try a cell with once more after it ran out of GPU memory"
    )
    metric: Annotated[tuple[str, ...], NamesOf(METRICS)] | None = Field(
        None,
        description="number of a run for hydra/sweeper=optuna to optimize, or a list of them with as many "
        "hydra.sweeper.direction; null for other sweeps",
    )
    scorer: SourceText | None = Field(
        None, description="model of sweep.metric=clip or pickscore: hub id or folder; null is the metric's own"
    )
