"""``tcdflow distill [OVERRIDE ...]``: train a LoRA for few steps from a base, or go on with one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tcdflow.cli import flags
from tcdflow.cli.arguments import Arguments
from tcdflow.cli.warn import warn
from tcdflow.config.distill import DistillComposer
from tcdflow.config.run_output import RunOutput
from tcdflow.distill import record as records
from tcdflow.distill.prepare import DistillRequest, PreparedDistillation, prepare, with_files
from tcdflow.errors import ConfigError, Problem, TcdflowError
from tcdflow.spec.tracker import UNTRACKED, Tracking
from tcdflow.text import printable
from tcdflow.tracking.follow import followed, remember, remembered

EXAMPLES = (
    ("tcdflow distill distill.steps=200 hydra.run.dir=outputs/mine", "distil the embedded model; again, it goes on"),
    ("tcdflow distill --check distill.steps=200 distill.batch=8", "show the work, memory and disk it takes"),
)
_ABOUT = """\
Distil a base into a LoRA for few steps, such as a TCD-LoRA. The directory gets lora/pytorch_lora_weights.safetensors,
which diffusers and tcdflow load. The same command, or tcdflow resume DIR, goes on with what was interrupted.
With several GPUs: accelerate launch -m tcdflow distill ...   See docs/distill.md."""


def parser() -> Arguments:
    """Return the parser of its arguments."""
    parser = flags.overrides_parser("distill", _ABOUT, EXAMPLES, hidden=("--multirun", "--no-defaults"))
    parser.add_argument("--check", action="store_true", help="show what it would do and take, and what is wrong")
    return parser


def main(argv: Sequence[str]) -> int:
    """Distil, or show what it would take."""
    args = flags.read(parser(), argv)
    if args.multirun:
        raise ConfigError([Problem("--multirun", "a distillation is no sweep; start one for each")])
    words = args.words
    composer = DistillComposer(args.config_dir or words.beside, experiment=words.file, fetch=args.fetch)
    composition = composer.distillation(args.overrides)
    output = RunOutput.of(composition.config)
    prepared = prepare(DistillRequest.composed(composition))
    if is_main():
        warn([*prepared.warnings, *output.warnings])
    if args.check:
        from tcdflow.distill.preview import lines

        print("\n".join(lines(prepared, output.directory if output.chosen else None)))
        return 0
    if not output.chosen and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        what = "must be given, since several processes write to one directory"
        raise ConfigError([Problem("hydra.run.dir", what)])
    return distil(output.claimed(), prepared, composition.tracking)


def resume(directory: Path, overrides: Sequence[str], *, retry_failed: bool, pickles: bool, fetch: bool) -> int:
    """Go on with the distillation of a directory, as its record has it.

    Raises:
        RequestError: if the record cannot be read, or what it names is not there any more.
    """
    if overrides or retry_failed:
        what = "has no effect on a distillation, which goes on as it was begun"
        raise ConfigError([Problem(overrides[0] if overrides else "--retry-failed", what)])
    prepared = prepare(DistillRequest.recorded(records.read(directory), allow_pickle=pickles, fetch=fetch))
    warn(prepared.warnings)
    return distil(directory, prepared, remembered(directory))


def distil(path: Path, prepared: PreparedDistillation, tracking: Tracking) -> int:
    """Execute a distillation in a directory, and say what came of it."""
    from tcdflow.cli.distill_bar import DistillBar
    from tcdflow.cli.files import DownloadBar
    from tcdflow.engine.collector import resume_collector

    with DownloadBar() as download:
        prepared = with_files(prepared, download.progress)
    from tcdflow.distill.run import Progress
    from tcdflow.distill.run import distil as execute

    resume_collector()
    distillation = prepared.spec.distill
    told_by = tracking if is_main() else UNTRACKED
    with (
        followed(path, told_by, warn) as told,
        DistillBar(distillation.steps, distillation.batch, silent=not is_main()) as bar,
    ):

        def begin(step: int) -> None:
            bar.begin(step)
            remember(path, told_by)
            told(path)

        progress = Progress(bar.encoded, begin, bar.step, lambda: _page(path), warn if is_main() else _silent)
        record = execute(path, prepared, progress)
    if record is None:
        return 0
    for output in record.outputs:
        if output.file.startswith("lora/") and output.file.endswith(".safetensors"):
            print(path / output.file)
    losses, seconds = record.execution["losses"], record.execution["seconds"]
    spent = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    loss = f"loss {losses['first']:.3g} to {losses['mean_of_last_100']:.3g}"
    where = printable(str(path / "run.json"))
    print(f"{record.execution['steps']} steps, {loss} ({spent}); record: {where}", file=sys.stderr)
    if found := record.execution.get("validation"):
        best, page = found["best"], printable(str(path / "index.html"))
        print(f"the best by validation, after {best['step']} steps, is in best/; images: {page}", file=sys.stderr)
    return 0


def _page(path: Path) -> None:
    """Write the page of what was validated; training goes on where it cannot be written."""
    from tcdflow.gallery.write import gallery

    try:
        gallery([path])
    except TcdflowError as error:
        warn([str(error)])


def _silent(texts: Iterable[str]) -> None:
    pass


def is_main() -> bool:
    """Say whether this is the process that speaks, of those that ``accelerate launch`` starts."""
    return os.environ.get("RANK", "0") == "0"
