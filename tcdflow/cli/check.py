"""``tcdflow check``: compose, validate and show what would run. Runs nothing, imports no torch."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from typing import Any

from tcdflow.app import Job
from tcdflow.cli import flags
from tcdflow.cli.files import absent_bytes, megabytes, show_files
from tcdflow.cli.progress import duration
from tcdflow.cli.sweep import directory_of
from tcdflow.cli.warn import warn
from tcdflow.config.compose import Composer
from tcdflow.config.permission import permitted
from tcdflow.config.plugins import BASIC, Drive, drive
from tcdflow.files.artifact import Artifact
from tcdflow.files.resolve import fetch
from tcdflow.files.sizes import resolve_size
from tcdflow.multirun.hydra_sweep import HydraSweep
from tcdflow.spec.model import RunSpec
from tcdflow.sweep import order, planner, timings
from tcdflow.sweep.plan import Plan
from tcdflow.text import printable

_SHOWN = 50


def check(argv: Sequence[str]) -> int:
    """Show what a run or a sweep would do."""
    args = flags.parse(argv[1:])
    composer = Composer(args.config_dir)
    if args.multirun:
        _, others = permitted(args.overrides)
        by = drive(composer, others)
        if by.sweeper != BASIC:
            return _check_chosen(HydraSweep.prepare(composer, others, by), by, argv[1:])
        planned = planner.make(composer, args.overrides)
        warn(planned.warnings)
        _show_plan(planned.plan)
        _show_fetching(planned.artifacts, argv[1:])
        return 0
    job = Job.look(composer.compose(args.overrides))
    warn(job.composition.warnings)
    print(_described(job.composition.spec))
    print(f"time        {_estimated([(job.composition.spec, True, True)])}")
    _show_fetching(list(job.artifacts), argv[1:])
    return 0


def _check_chosen(sweep: HydraSweep, by: Drive, again: Sequence[str]) -> int:
    """Show what is known of a sweep whose sweeper chooses the cells as it goes."""
    warn(sweep.warnings)
    print(f"sweep       {by} chooses its cells, by {sweep.metric}, in {printable(str(sweep.directory))}; one of them:")
    print(_described(sweep.first.spec))
    _show_fetching(sweep.artifacts, again)
    return 0


def _show_plan(plan: Plan) -> None:
    print(f"sweep       {plan.name}: {len(plan.cells)} cells in {printable(str(directory_of(plan)))}")
    for axis in plan.axes:
        print(f"axis        {printable(', '.join(axis.keys))}: {len(axis.values)} values")
    if plan.excluded or plan.folded:
        print(f"left out    {plan.excluded} excluded, {plan.folded} the same as another")
    costs: list[tuple[Any, ...]] = []
    calls = 0
    runs: list[tuple[RunSpec, bool, bool]] = []
    for batch in plan.batches():
        specs = [resolve_size(plan.spec(cell), plan.artifacts(cell)) for cell in batch]
        for spec in specs:
            cost = order.costs(spec)
            changed = order.changed(costs[-1] if costs else None, cost)
            runs.append((spec, changed == "bases", changed == "LoRA stacks"))
            costs.append(cost)
        calls += unet_calls(specs)
    changes = order.changes(costs)
    print("loads       " + ", ".join(f"{count} {what}" for what, count in changes.items()))
    print(f"UNet calls  {calls}")
    print(f"time        {_estimated(runs)}")
    for cell in plan.cells[:_SHOWN]:
        print(f"  {cell.name}")
    if len(plan.cells) > _SHOWN:
        print(f"  ... and {len(plan.cells) - _SHOWN} more")


def _estimated(runs: Sequence[tuple[RunSpec, bool, bool]]) -> str:
    seconds, unknown = timings.estimate(runs)
    if unknown == len(runs):
        return "unknown: no such run was made on this machine yet"
    told = f"about {duration(seconds)}, by earlier runs on this machine"
    return f"{told}, and {unknown} of {len(runs)} cells of which nothing is known yet" if unknown else told


def unet_calls(specs: Sequence[RunSpec]) -> int:
    """Return how often the UNet is called for runs that are made together."""
    images = sum(len(spec.sampling.seeds) for spec in specs)
    return specs[0].effective_steps * math.ceil(images / specs[0].runtime.batch_size)


def _described(spec: RunSpec) -> str:
    sampling = spec.sampling
    loras = ", ".join(
        f"{name} ({lora.weight if isinstance(lora.weight, float) else 'by block'})" for name, lora in spec.loras.items()
    )
    fused = ", fused" if spec.lora_stack.fuse and spec.loras else ""
    guidance = f"guidance {sampling.guidance_scale:g}" if spec.guided else "no guidance"
    steps = f"{sampling.steps} steps"
    if spec.effective_steps != sampling.steps:
        steps += f", {spec.effective_steps} of them run for the task's strength"
    rows = {
        "task": spec.task.name,
        "prompt": spec.prompt,
        "base": f"{spec.base.source} ({spec.base.family})",
        "scheduler": spec.scheduler.name,
        "loras": (loras or "none") + fused,
        "adapters": ", ".join(f"{name} ({adapter.kind})" for name, adapter in spec.adapters.items()) or "none",
        "sampling": f"{steps}, eta {sampling.eta:g}, {guidance}, seeds {_listed(sampling.seeds)}",
        "size": f"{spec.width} x {spec.height}",
        "runtime": f"device {spec.runtime.device}, dtype {spec.runtime.dtype}" + _in_batches(spec),
        "UNet calls": str(unet_calls([spec])) + (", each of twice the work for guidance" if spec.guided else ""),
    }
    return "\n".join(f"{name:<10}  {printable(text)}" for name, text in rows.items())


def _in_batches(spec: RunSpec) -> str:
    size = spec.runtime.batch_size
    return f", up to {size} images a call" if size > 1 else ""


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) if len(seeds) <= 8 else f"{seeds[0]} to {seeds[-1]}"


def _show_fetching(artifacts: Sequence[Artifact], again: Sequence[str]) -> None:
    """Print all files, and the command that fetches what is missing.

    Raises:
        ConfigError: if it is missing and nothing may be downloaded.
    """
    show_files(artifacts)
    missing = absent_bytes(artifacts)
    if not missing:
        return
    print(f"to fetch    {megabytes(missing)}, with: tcdflow fetch {printable(shlex.join(again))}")
    from huggingface_hub import constants

    if constants.is_offline_mode():
        fetch(artifacts)
