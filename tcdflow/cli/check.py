"""``tcdflow check``: compose, validate and show what would run. Runs nothing, imports no torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tcdflow.cli import flags, preview
from tcdflow.cli.arguments import Arguments
from tcdflow.cli.described import lines
from tcdflow.cli.warn import warn
from tcdflow.config.axes import ends
from tcdflow.config.compose import Composer
from tcdflow.config.composition import Composition
from tcdflow.config.permission import permitted
from tcdflow.config.plugins import drive
from tcdflow.config.run_output import RunOutput
from tcdflow.errors import ConfigError, RequestError
from tcdflow.files.artifact import Artifact
from tcdflow.files.resolve import fetch
from tcdflow.multirun.planned import PlannedSweep
from tcdflow.multirun.prepare import prepare
from tcdflow.record.key import effect
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Request
from tcdflow.request.run import check_room, directory_warnings
from tcdflow.sweeps.runner import pending

if TYPE_CHECKING:
    from tcdflow.multirun.hydra_sweep import HydraSweep

EXAMPLES = (
    ('tcdflow check prompt="a red heart" sampling.steps=8', "show one run: settings, files, UNet calls, time"),
    ("tcdflow check -m sampling.eta=0,0.5 'sampling.seed=range(4)'", "show the cells of a sweep, in their order"),
)


def parser() -> Arguments:
    """Return the parser of its arguments."""
    parser = flags.overrides_parser(
        "check",
        "Compose and validate a run or sweep and show what would run, with which files, and what is wrong. Runs "
        "nothing; the exit status is 2 if something is wrong.",
        EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="print JSON, described in docs/json.md")
    return parser


def main(argv: Sequence[str]) -> int:
    """Show what a run or a sweep would do."""
    args = flags.read(parser(), argv)
    composer = flags.composer(args)
    look = _Looked(as_json=args.json, arguments=[word for word in argv if word != "--json"])
    if args.multirun:
        _sweep(composer, args.overrides, look)
    else:
        _run(composer.compose(args.overrides), look)
    if composer.seeds.drawn:
        warn(["sampling.seed=random is drawn anew by each run; what is shown is an example"])
    return 0


class _Looked:
    """Shows what was found, in the form that was asked for.

    Args:
        as_json: as JSON.
        arguments: of the command, to be repeated for ``tcdflow fetch``.
    """

    def __init__(self, *, as_json: bool, arguments: Sequence[str]) -> None:
        self._as_json = as_json
        self._arguments = shlex.join(arguments)

    def show(
        self, found: dict[str, Any], warnings: Sequence[str], artifacts: Sequence[Artifact] | None, problem: str = ""
    ) -> None:
        """Print it.

        Args:
            found: what :mod:`preview` says.
            warnings: what is probably not meant.
            artifacts: the files; None if they could not be found.
            problem: what is wrong.

        Raises:
            ConfigError: if files are missing and nothing may be downloaded.
        """
        if not problem:
            warn(warnings)
        files = preview.of_files(artifacts or ())
        whole = {
            "version": preview.VERSION,
            **found,
            **files,
            "warnings": list(warnings),
            "problems": problem.splitlines(),
        }
        if self._as_json:
            print(json.dumps(whole, indent=2))
        else:
            print("\n".join(lines(whole, self._arguments, found_files=artifacts is not None)))
        if files["missing_bytes"] and artifacts:
            from huggingface_hub import constants

            if constants.is_offline_mode():
                fetch(artifacts)


def _run(composition: Composition, look: _Looked) -> None:
    output = RunOutput.of(composition.config)
    try:
        prepared = Preparer()(Request.composed(composition))
    except RequestError as error:
        look.show(preview.of_run(composition), composition.warnings, None, str(error))
        raise
    if output.chosen:
        check_room(output.directory, prepared)
    sized = replace(composition, spec=prepared.spec)
    found = preview.of_run(sized) | {"time": preview.time([(prepared.spec, True, True)])}
    look.show(found, [*prepared.warnings, *directory_warnings(output, prepared)], list(prepared.files))


def _sweep(composer: Composer, overrides: Sequence[str], look: _Looked) -> None:
    try:
        sweep = prepare(composer, overrides)
        sweep.check_here()
    except ConfigError as error:
        if all(effect(problem.key) == "files" for problem in error.problems):  # the cells are right, as far as is known
            by = str(drive(composer, overrides))
            first = composer.compose(ends(composer, permitted(overrides)[1])[0], of_sweep=True)
            look.show({"kind": "sweep", "by": by, "first": preview.of_run(first)}, first.warnings, None, str(error))
        raise
    look.show(_of_sweep(sweep), sweep.warnings, sweep.artifacts)


def _of_sweep(sweep: PlannedSweep | HydraSweep) -> dict[str, Any]:
    if isinstance(sweep, PlannedSweep):
        return preview.of_plan(sweep.plan, str(sweep.directory), pending(sweep.plan, sweep.directory))
    if sweep.plan is not None:  # in a directory without runs, or it is refused
        return preview.of_plan(sweep.plan, str(sweep.directory))
    metric = ", ".join(sweep.metric) if sweep.metric is not None else None
    chosen = {"directory": str(sweep.directory), "metric": metric}
    return {"kind": "sweep", "by": str(sweep.by), **chosen, "first": preview.of_run(sweep.first)}
