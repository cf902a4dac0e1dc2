"""``tcdflow show PATH``: what a run or image was made with; as an experiment file; as a plain diffusers script."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.described import of_spec, row
from tcdflow.cli.files import megabytes
from tcdflow.cli.warn import warn
from tcdflow.errors import RecordError
from tcdflow.record.document import Record
from tcdflow.record.key import run_key
from tcdflow.record.rundir import is_held
from tcdflow.rerun.source import Recorded, find, is_sweep
from tcdflow.spec.paths import at_home
from tcdflow.text import about, counted, one_line, printable

VERSION = 1
"""Of the JSON; raised when a key of it changes its meaning or goes."""

_SHOWN = 12

EXAMPLES = (
    ("tcdflow show outputs/fox/000.png", "show prompt, model, settings and files of an image"),
    ("tcdflow show outputs/fox --python", "print a diffusers script that makes its pixels"),
)


def parser() -> Arguments:
    """Return the parser of its arguments."""
    meaning = (
        "Show what a run directory, a cell of a sweep, a record or an image was made with. --yaml prints an experiment "
        "file with the same run key, --python a script of plain diffusers that makes the same pixels. Of images of "
        "A1111's web UI, ComfyUI and InvokeAI it shows what they say, and --yaml maps what can be mapped."
    )
    parser = Arguments("show", meaning, EXAMPLES)
    parser.add_argument("path", type=Path, metavar="PATH", help="run directory, run.json or image")
    form = parser.add_mutually_exclusive_group()
    for flag, what in (
        ("--yaml", "print an experiment file, for: tcdflow mine.yaml"),
        ("--python", "print a plain diffusers script, which writes 000.png and so on where it is run"),
        ("--json", "print JSON, described in docs/json.md"),
    ):
        form.add_argument(flag, action="store_true", help=what)
    return parser


def main(argv: Sequence[str]) -> int:
    """Show a run or image in the form that was asked for."""
    args = parser().read(argv)
    path = at_home(str(args.path))
    if is_sweep(path):
        raise RecordError(about(path, "is a sweep; name one of its cells/, or see tcdflow gallery"))
    try:
        recorded = find(path, unlocked=not args.python)
    except RecordError:
        if not _of_another_tool(path, args):
            raise
        return 0
    warn(recorded.doubts)
    if args.yaml:
        print(_yaml(recorded), end="")
    elif args.python:
        from tcdflow.script.recorded import script_of

        print(printable(script_of(recorded)), end="")
    elif args.json:
        print(json.dumps(_plain(recorded), indent=2))
    else:
        print("\n".join(_lines(recorded)))
    return 0


def _of_another_tool(path: Path, args: argparse.Namespace) -> bool:
    """Show an image of another tool; False if it is none.

    Raises:
        RequestError: if its settings cannot be read, or are asked for as a script.
    """
    from tcdflow.show import foreign, mapping

    said = foreign.read(path) if path.is_file() else None
    if said is None:
        return False
    if args.python:
        what = f"was made by {said.tool}, whose noise is not diffusers'; --yaml writes what can be mapped"
        raise RecordError(about(path, what))
    found = mapping.mapped(said)
    if args.yaml:
        made = f"What {path} says of how {said.tool} made it. Written by: tcdflow show --yaml"
        print(mapping.experiment(found, [made]), end="")
        wanted = [f"{key}: {one_line(why)}" for key, why in found.missing.items()]
        warn(
            [
                *wanted,
                *([f"{counted(len(found.notes), 'note')} on what is not mapped, at its end"] if found.notes else []),
            ]
        )
    elif args.json:
        whole = {"version": VERSION, "path": str(path), "tool": said.tool, "prompt": said.prompt}
        whole |= {"negative_prompt": said.negative, "values": said.values, "missing": found.missing}
        print(json.dumps(whole | {"model": said.model, "notes": found.notes}, indent=2, default=str))
    else:
        print("\n".join(row(name, one_line(text)) for name, text in mapping.shown(said, found)))
    return True


def _yaml(recorded: Recorded) -> str:
    from tcdflow.show.experiment import of_run

    head = [f"What {recorded.path} was made with, key by key. Written by: tcdflow show --yaml"]
    if recorded.lock:
        head.append(f"Run key: {run_key(recorded.spec, recorded.lock)}")
    return of_run(recorded.spec, recorded.lock, head)


def _status(path: Path, record: Record) -> str:
    """Return how far a run is: the record of one that was killed still says that it runs."""
    where = path if path.is_dir() else path.parent
    return "ended without a word" if record.status == "running" and not is_held(where) else record.status


def _lines(recorded: Recorded) -> Iterator[str]:
    spec, record = recorded.spec, recorded.record
    made = f"by tcdflow {one_line(recorded.tcdflow)}"
    if record is not None:
        made = f"{_status(recorded.path, record)}, {record.started}, {made}"
    yield row("made", made)
    yield row("key", recorded.key or "none: it ended before its files were known")
    rows = of_spec(spec)
    if spec.negative_prompt:
        rows = {"task": rows.pop("task"), "prompt": rows.pop("prompt"), "negative": spec.negative_prompt} | rows
    for name, text in rows.items():
        yield row(name, one_line(text))
    if record is not None:
        yield from _computed(record.environment)
        for line in record.warnings:
            yield row("warning", one_line(line))
        if record.error is not None:
            yield row("error", one_line(f"{record.error.type}: {record.error.message}"))
    yield from _files(recorded)
    made_of = zip(recorded.outputs, spec.sampling.seeds, strict=False)
    names = [f"{expected.file.name} (seed {seed})" for expected, seed in made_of]
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield row("images", one_line(", ".join(names[:_SHOWN])) + more)
    if record is not None:
        for line in _measured(recorded.path, record):
            yield row("measured", one_line(line))


def _measured(path: Path, record: Record) -> Iterator[str]:
    """Yield what ``tcdflow measure`` has found of a run, and with what."""
    from tcdflow.gallery.measured import Files
    from tcdflow.gallery.runs import of_record

    files = Files(None)
    for column, number in files.of(of_record(path if path.is_dir() else path.parent, record)).items():
        with_what = ["against", *number.measures.against] if number.measures.against else []
        with_what += ["by", number.measures.source] if number.measures.source else []
        yield " ".join([column, f"{number.mean:g}", *with_what])
    warn(files.notes)


def _computed(environment: dict[str, Any]) -> Iterator[str]:
    packages = environment.get("packages")
    versions = packages if isinstance(packages, dict) else {}
    named = [f"{name} {versions[name]}" for name in ("torch", "diffusers", "transformers", "peft") if name in versions]
    where = environment.get("device_name")
    threads = environment.get("threads")
    on = [f"{where}, {counted(threads, 'thread')}" if isinstance(threads, int) else str(where)] if where else []
    if on or named:
        yield row("computed", one_line(", ".join([*on, *named])))


def _files(recorded: Recorded) -> Iterator[str]:
    by_role: dict[str, list[Any]] = {}
    for file in recorded.lock:
        by_role.setdefault(file.role, []).append(file)
    for role, files in by_role.items():
        at = f"@{files[0].revision}" if files[0].revision else ""
        size = f"{counted(len(files), 'file')}, {megabytes(sum(file.size for file in files))}"
        yield row("file", one_line(f"{role}: {files[0].source}{at} ({size})"))


def _plain(recorded: Recorded) -> dict[str, Any]:
    record = recorded.record
    return {
        "version": VERSION,
        "path": str(recorded.path),
        "key": recorded.key,
        "tcdflow": recorded.tcdflow,
        "status": record.status if record else None,
        "started": record.started if record else None,
        "spec": recorded.spec.model_dump(mode="json"),
        "lock": [file.model_dump(mode="json") for file in recorded.lock],
        "outputs": [{"file": str(one.file), "pixel_sha256": one.pixel_sha256} for one in recorded.outputs],
        "environment": record.environment if record else {},
        "warnings": [*recorded.doubts, *(record.warnings if record else ())],
    }
