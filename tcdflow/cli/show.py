"""``tcdflow show PATH``: what a run or image was made with; as an experiment file; as a plain diffusers script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.described import of_spec, row
from tcdflow.cli.files import megabytes
from tcdflow.cli.warn import warn
from tcdflow.record.key import run_key
from tcdflow.rerun.source import Recorded, find
from tcdflow.spec.paths import at_home
from tcdflow.text import counted, one_line, printable

VERSION = 1
"""Of the JSON; raised when a key of it changes its meaning or goes."""

_SHOWN = 12

EXAMPLES = (
    ("tcdflow show outputs/fox/000.png", "show prompt, model, settings and files of an image"),
    ("tcdflow show outputs/fox --python", "print a diffusers script that makes its pixels"),
)


def parser() -> Arguments:
    """Return the parser of its arguments."""
    about = (
        "Show what a run directory, a cell of a sweep, a record or an image was made with. --yaml prints an experiment "
        "file with the same run key, --python a script of plain diffusers that makes the same pixels."
    )
    parser = Arguments("show", about, EXAMPLES)
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
    recorded = find(path, unlocked=not args.python)
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


def _yaml(recorded: Recorded) -> str:
    from tcdflow.show.experiment import of_run

    about = [f"What {recorded.path} was made with, key by key. Written by: tcdflow show --yaml"]
    if recorded.lock:
        about.append(f"Run key: {run_key(recorded.spec, recorded.lock)}")
    return of_run(recorded.spec, recorded.lock, about)


def _lines(recorded: Recorded) -> Iterator[str]:
    spec, record = recorded.spec, recorded.record
    made = f"by tcdflow {one_line(recorded.tcdflow)}"
    if record is not None:
        made = f"{record.status}, {record.started}, {made}"
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
