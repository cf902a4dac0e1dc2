"""``tcdflow init DIR``: a config directory to begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.schema import text as schema
from tcdflow.errors import ConfigError, OutputError, Problem
from tcdflow.spec.paths import at_home
from tcdflow.text import printable

EXAMPLES = (
    ("tcdflow init mine", "write mine/experiment/mine.yaml, which runs as it is"),
    ("tcdflow init .", "lay the working directory out like conf/"),
)

_EXPERIMENT = """\
# @package _global_
# yaml-language-server: $schema=../.schema/experiment.json
# Run it by its path:        tcdflow experiment/mine.yaml
# With other values:         tcdflow experiment/mine.yaml sampling.seed=3 sampling.eta=0.5
# What would run, and why:   tcdflow check experiment/mine.yaml
# From another directory:    tcdflow --config-dir DIR experiment=mine
defaults:
  # What to draw with: tcdflow ls base loras scheduler adapters lists what there is. YAMLs of your own go into folders
  # of these names beside experiment/, such as loras/my_style.yaml, and are chosen in the same way.
  - override /base: emoji  # the model that ships with tcdflow; sdxl and sd15 are downloaded
  - override /loras: [tcd]  # a stack: [tcd, papercut] adds a style to SDXL

prompt: a fox on a green background
sampling:
  steps: 4  # a TCD-LoRA is made for 4 to 8
  eta: 0.3  # noise of each step, gamma in the TCD paper: 0 adds none, 1 the most
  guidance_scale: 0  # off, as TCD-LoRAs need it; above 1 doubles the work
  seed: 0  # a list makes several images; random draws one
loras:
  tcd: {weight: 1.0}

# A sweep: tcdflow -m experiment/mine.yaml
# sweep:
#   axes:
#     sampling.eta: [0, 0.5, 1]
#     prompt: [a fox, a panda]
"""


def parser() -> Arguments:
    """Return the parser of its arguments."""
    about = (
        "Lay out a config directory: an experiment with comments, which runs as it is, and the schema by which editors "
        "check and complete it. No file that is there is replaced."
    )
    parser = Arguments("init", about, EXAMPLES)
    parser.add_argument("directory", type=Path, metavar="DIR", help="where; it is made if it is not there")
    return parser


def main(argv: Sequence[str]) -> int:
    """Write the directory, and print the paths of its files."""
    directory = at_home(str(parser().read(argv).directory))
    files = {"experiment/mine.yaml": _EXPERIMENT, ".schema/experiment.json": schema("experiment")}
    there = [name for name in files if (directory / name).exists()]
    if there:
        what = f"has {' and '.join(there)} already, and nothing is replaced; name another directory"
        raise ConfigError([Problem("init", what, str(directory))])
    _write(directory, files)
    for name in files:
        print(printable(str(directory / name)))
    return 0


def _write(directory: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise OutputError.of(path, error) from error
