"""What the files of a run show once they are known, from weight headers and inputs. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tcdflow.errors import Problem
from tcdflow.files import base_checks, lora_file, memory
from tcdflow.files.accelerator import missing_device, slow_on_cpu
from tcdflow.files.artifact import Artifacts
from tcdflow.files.layout import WEIGHTS
from tcdflow.files.lora_file import LoraFile
from tcdflow.inputs import findings as inputs
from tcdflow.request import embeddings, truncation
from tcdflow.spec import rules
from tcdflow.spec.model import RunSpec
from tcdflow.spec.paths import is_there


def warnings(spec: RunSpec, files: Artifacts) -> Iterator[str]:
    """Yield what is allowed and probably not meant. It is asked for each cell of a sweep, so it has to be cheap.

    Args:
        spec: the run, its size resolved.
        files: its local files; those that are absent yet are not read.
    """
    yield from rules.warnings(spec)
    yield from _file_as_prompt(spec.prompt)
    yield from filter(None, (missing_device(spec.runtime), slow_on_cpu(spec.runtime)))
    yield from truncation.warnings(spec, files, embeddings.counts(spec, files))
    yield from files.warnings
    yield from memory.warnings(spec, files)
    yield from base_checks.warnings(spec, files)
    yield from inputs.warnings(spec, files)
    yield from _twice(spec, files)
    for name, _, file in _loras(spec, files):
        yield from (f"loras.{name}: {warning}" for warning in file.warnings(spec.loras[name].weight))


def problems(spec: RunSpec, files: Artifacts) -> Iterator[Problem]:
    """Yield what of the files does not fit the others. It is asked for each cell of a sweep too.

    Args:
        spec: the run.
        files: its local files; those that are absent yet are not read.
    """
    for name, path, file in _loras(spec, files):
        if refusal := file.refusal(spec.base.family):
            yield Problem(f"loras.{name}.source", f"'{path.name}' {refusal}")


def _file_as_prompt(prompt: str) -> Iterator[str]:
    """Yield a warning of the name of a file of prompts, whose words would be drawn."""
    if prompt.lower().endswith(_PROMPTS) and is_there(Path(prompt)):
        yield f"prompt={prompt} is drawn as it stands; -m sweep.prompts_from={prompt} draws what that file says"


_PROMPTS = (".txt", ".csv", ".jsonl")


def _twice(spec: RunSpec, files: Artifacts) -> Iterator[str]:
    """Yield LoRAs that are one file under several names, as when a preset is chosen and its file given too."""
    first: dict[Path, str] = {}
    for name in spec.loras if len(spec.loras) > 1 else ():
        artifact = files.lora(name)
        path = (artifact.root / artifact.files[0]).resolve()
        if (other := first.setdefault(path, name)) != name:
            yield f"loras.{name} is the same file as loras.{other}, which is added to the base twice"


def _loras(spec: RunSpec, files: Artifacts) -> Iterator[tuple[str, Path, LoraFile]]:
    for name in spec.loras:
        artifact = files.lora(name)
        path = artifact.root / artifact.files[0]
        if not artifact.absent and path.suffix == WEIGHTS:
            yield name, path, lora_file.read(path)
