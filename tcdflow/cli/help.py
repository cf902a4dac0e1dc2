"""``tcdflow --help``, ``tcdflow help COMMAND`` and ``tcdflow COMMAND --help``."""

from __future__ import annotations

from collections.abc import Sequence

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.verbs import VERBS
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.nearest import nearest

EXAMPLES = (
    ("tcdflow help", "show all commands and flags"),
    ("tcdflow help rerun", "show usage, flags and examples of one command, as tcdflow rerun --help does"),
)

WELCOME = """\
tcdflow makes images in a few steps, and records of them from which each can be made again.

  tcdflow experiment=quickstart                        draw a fox: no download, no GPU, some seconds
  tcdflow prompt="a red heart" sampling.seed=1         draw something else
  tcdflow -m sampling.eta=0,0.5,1 sampling.seed=1,2    make every combination, and a page to compare them
  tcdflow check experiment=text_to_image               show what SDXL would take; run nothing
  tcdflow init mine                                    a YAML of your own to begin with

tcdflow ls lists what there is to choose, tcdflow help all commands.
"""


def parser() -> Arguments:
    """Return the parser of its arguments."""
    parser = Arguments("help", "Show the help of tcdflow, or of one of its commands.", EXAMPLES)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", choices=None, help="the command; all if left out")
    return parser


def main(argv: Sequence[str]) -> int:
    """Print the help of each command named, or of all together."""
    names = [word for word in argv if not word.startswith("-")]
    unknown = [name for name in names if name not in VERBS]
    if unknown:
        what = f"unknown command; there are {', '.join(VERBS)}"
        raise ConfigError([Problem(name, what, nearest=nearest(name, VERBS)) for name in unknown])
    print("\n".join(VERBS[name].module.parser().format_help() for name in names) if names else whole(), end="")
    return 0


def whole() -> str:
    """Return the help of tcdflow: all commands, then the flags and examples of runs and sweeps."""
    from tcdflow.cli import run  # and Hydra's flags with it

    width = max(len(f"{verb.name} {verb.arguments}") for verb in VERBS.values())
    rows = [f"  {verb.name} {verb.arguments}".ljust(width + 4) + verb.summary for verb in VERBS.values()]
    commands = "\n".join(["commands (tcdflow COMMAND --help shows flags and examples of one):", *rows])
    parser = run.parser()
    parser.description = f"{parser.description}\n\n{commands}"
    return parser.format_help()
