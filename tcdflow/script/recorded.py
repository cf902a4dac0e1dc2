"""The script of a recorded run: what the record says of where and how it was computed is written into it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tcdflow.record.data import is_directory
from tcdflow.record.document import Record
from tcdflow.request.prepare import Preparer
from tcdflow.rerun.source import Recorded
from tcdflow.script.images import Given
from tcdflow.script.write import Known, lossless, write
from tcdflow.spec.batch import members
from tcdflow.spec.model import RunSpec, RuntimeSpec
from tcdflow.spec.script import cannot_write

_MOST_THREADS = 4096


def script_of(recorded: Recorded) -> str:
    """Return a script that makes a recorded run's pixels, or those of one image of it.

    Its files are held against their recorded hashes first.

    Raises:
        RequestError: if a file is not here or not the run's, or something of the run cannot be written.
    """
    record = recorded.record
    spec = _where(recorded.spec, record)
    if recorded.batch is not None and recorded.batch.pictures != members([spec]):
        raise cannot_write(
            "runtime.batch_size",
            "an image without those it shared its call with (an image of a batch, a cell of several)",
        )
    prepared = Preparer()(recorded.request(spec))
    return write(prepared, _known(recorded, prepared.spec))


def _where(spec: RunSpec, record: Record | None) -> RunSpec:
    """Return a spec with the device that its run had, where that was left to the machine."""
    device = record.environment.get("device") if record else None
    if spec.runtime.device != "auto" or device is None:
        return spec
    try:
        runtime = RuntimeSpec.model_validate(spec.runtime.model_dump() | {"device": device})
    except ValidationError:
        return spec
    return spec.model_copy(update={"runtime": runtime})


def _known(recorded: Recorded, spec: RunSpec) -> Known:
    about = (
        f"Makes the pixels of {recorded.path} with diffusers alone, as tcdflow {recorded.tcdflow} made them.",
        f"Written by: tcdflow show --python. Run key: {recorded.key}",
    )
    record = recorded.record
    if record is None:
        return Known((*about, "The image does not say with which versions, device and threads it was made."))
    packages = record.environment.get("packages")
    named = packages if isinstance(packages, dict) else {}
    made_with = ", ".join(
        f"{name} {named[name]}" for name in ("torch", "diffusers", "transformers", "peft") if name in named
    )
    device = record.environment.get("device_name")
    known = Known(
        (
            *about,
            f"The pixels are the same with the same versions on the same kind of device: {made_with} on {device}.",
        ),
        threads=_threads(record.environment) if spec.runtime.device == "cpu" else None,
        given=Given(_directory(recorded.path), {image.name: image for image in record.inputs}),
    )
    hashes = [output.pixel_sha256 for output in recorded.outputs]
    if not lossless(spec) or len(hashes) != len(spec.sampling.seeds):
        return known
    return replace(known, pixels={number: text for number, text in enumerate(hashes) if text is not None})


def _threads(environment: dict[str, Any]) -> int | None:
    threads = environment.get("threads")
    return threads if isinstance(threads, int) and 0 < threads <= _MOST_THREADS else None


def _directory(path: Path) -> Path:
    return path if is_directory(path) else path.parent
