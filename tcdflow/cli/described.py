"""The table of ``tcdflow check``, from the data of :mod:`tcdflow.cli.preview`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tcdflow.cli.files import file_line, megabytes
from tcdflow.cli.progress import duration
from tcdflow.spec.model import RunSpec
from tcdflow.text import counted, one_line, printable

_SHOWN = 50


def lines(found: Mapping[str, Any], arguments: str, *, found_files: bool) -> Iterator[str]:
    """Yield the lines of a run or sweep and its files.

    Args:
        found: what is known.
        arguments: of the command, to be repeated for ``tcdflow fetch``.
        found_files: whether its files were found.
    """
    if found["kind"] == "run":
        yield from _run(found, sources=not found_files)
    elif "cells" in found:
        yield from _plan(found)
    else:
        if "directory" in found:
            chosen = f"{found['by']} chooses its cells, by {found['metric']}, in {printable(found['directory'])}"
            yield f"sweep       {chosen}; one of them:"
        else:
            yield "sweep       the first of its cells:"
        yield from _run(found["first"], sources=not found_files)
    for file in found["files"]:
        yield file_line(**file)
    if found["missing_bytes"]:
        yield f"to fetch    {megabytes(found['missing_bytes'])}, with: tcdflow fetch {printable(arguments)}"


def _run(found: Mapping[str, Any], *, sources: bool) -> Iterator[str]:
    spec = RunSpec.model_validate(found["spec"])
    for name, text in of_spec(spec).items():
        yield row(name, text)
    more = ", each of twice the work for guidance" if spec.family.guidance_cost(spec) > 1 else ""
    yield row("UNet calls", f"{found['unet_calls']}{more}")
    yield from _personal(found)
    if "time" in found:
        yield f"time        {_estimated(found['time'])}"
    if sources:
        for key, source in found["sources"].items():
            yield printable(f"source      {key}: {source}")


def row(name: str, text: str) -> str:
    """Return a line of the table."""
    return f"{name:<10}  {printable(text)}"


def of_spec(spec: RunSpec) -> dict[str, str]:
    """Return what a run is made with, by the names of the table's rows."""
    sampling = spec.sampling
    loras = ", ".join(
        f"{name} ({lora.weight if isinstance(lora.weight, float) else 'by block'})" for name, lora in spec.loras.items()
    )
    fused = ", fused" if spec.lora_stack.fuse and spec.loras else ""
    guidance = f"guidance {sampling.guidance_scale:g}" if spec.guided else "no guidance"
    steps = f"{sampling.steps} steps"
    if spec.effective_steps != sampling.steps:
        steps += f", {spec.effective_steps} of them run for the task's strength"
    return {
        "task": spec.task.name,
        "prompt": spec.prompt,
        "base": f"{spec.base.source} ({spec.base.family})",
        "scheduler": spec.scheduler.name,
        "loras": (loras or "none") + fused,
        "adapters": ", ".join(f"{name} ({adapter.kind})" for name, adapter in spec.adapters.items()) or "none",
        "sampling": f"{steps}, eta {sampling.eta:g}, {guidance}, seeds {_listed(sampling.seeds)}",
        "size": " x ".join(str(side) for side in _sides(spec)),
        "runtime": f"device {spec.runtime.device}, dtype {spec.runtime.dtype}" + _in_batches(spec),
    }


def _sides(spec: RunSpec) -> tuple[int | str, int | str]:
    """Return width and height, or the words for them as long as the input image is not known."""
    width, height = spec.sampling.width, spec.sampling.height
    return width if isinstance(width, str) else spec.width, height if isinstance(height, str) else spec.height


def _plan(found: Mapping[str, Any]) -> Iterator[str]:
    cells = found["cells"]
    yield f"sweep       {found['name']}: {counted(len(cells), 'cell')} in {printable(found['directory'])}"
    yield from _personal(found)
    for axis in found["axes"]:
        yield f"axis        {printable(', '.join(axis['keys']))}: {counted(axis['values'], 'value')}"
    if found["excluded"] or found["folded"]:
        yield f"left out    {found['excluded']} excluded, {found['folded']} the same as another"
    left = found["left"]
    if left["cells"] < len(cells):
        yield f"done        {_done(found)}"
    if left["cells"]:
        yield f"loads       {_loads(left['loads'])}"
        yield f"UNet calls  {left['unet_calls']}"
        yield f"time        {_estimated(left['time'])}"
    for cell in cells[:_SHOWN]:
        yield f"  {cell['name']}" + (f": {cell['status']}" if cell["status"] != "left" else "")
    if len(cells) > _SHOWN:
        yield f"  ... and {len(cells) - _SHOWN} more"


def _done(found: Mapping[str, Any]) -> str:
    """Say how far a sweep is, and of what the lines that follow are."""
    statuses, left = [cell["status"] for cell in found["cells"]], found["left"]["cells"]
    failed = statuses.count("failed")
    again = f", {failed} failed (tcdflow resume --retry-failed runs them again)" if failed else ""
    rest = f"to run: {counted(left, 'cell')}" if left else "nothing is left to run"
    return f"{statuses.count('done')} of {counted(len(statuses), 'cell')}{again}; {rest}"


def _loads(counts: Mapping[str, int]) -> str:
    """Say how often a base is loaded, which brings all else of its first cell, and how often that changes."""
    changes = [f"{count} of {what.removesuffix('s')}" for what, count in counts.items() if count and what != "bases"]
    return counted(counts["bases"], "base") + (f"; changes between cells: {', '.join(changes)}" if changes else "")


def _personal(found: Mapping[str, Any]) -> Iterator[str]:
    if defaults := found["defaults"]:
        sets = ", ".join(f"{key}={value}" for key, value in defaults["sets"].items())
        yield f"defaults    {one_line(defaults['file'])}: {one_line(sets) or 'nothing'}; --no-defaults leaves them out"


def _estimated(time: Mapping[str, Any]) -> str:
    if time["seconds"] is None:
        return "unknown: no such run was made on this machine yet"
    text = f"about {duration(time['seconds'])}, by earlier runs on this machine, and the seconds that starting takes"
    return f"{text}, and unknown for {time['unknown']} of {counted(time['runs'], 'cell')}" if time["unknown"] else text


def _in_batches(spec: RunSpec) -> str:
    size = spec.runtime.batch_size
    return f", up to {size} images a call" if size > 1 else ""


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) if len(seeds) <= 8 else f"{seeds[0]} to {seeds[-1]}"
