"""Arguments of verbs that take overrides: Hydra's own flags; those that run code from a file are refused."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hydra._internal.utils import get_args_parser

from tcdflow.cli.arguments import Arguments, Examples
from tcdflow.cli.suggest import unknown_words
from tcdflow.errors import ConfigError, Problem

_REFUSED = {
    "experimental_rerun": "is refused: it unpickles a file, which can run code",
    "config_path": "is refused: it would replace tcdflow's own configs; --config-dir adds to them",
    "config_name": "is refused: it would replace tcdflow's own config; experiment=NAME chooses a YAML",
}
_SHARED = {
    "help": "show this help",
    "multirun": "a sweep: commas, range() and choice() make several values",
    "config_dir": "a directory laid out like conf/ that adds your own YAMLs",
}
_OF_RUNS = {
    "cfg": "print the composed config: job, hydra or all",
    "resolve": "with --cfg: replace interpolations by their values",
    "package": "with --cfg: print only this part, such as sampling",
    "info": "print how Hydra composes the config: defaults, defaults-tree, searchpath, plugins, config or all",
    "shell_completion": 'shell completion; bash: eval "$(tcdflow -sc install=bash)", also zsh and fish',
    "version": "print the version of tcdflow",
    "hydra_help": "print Hydra's own help",
}


def overrides_parser(
    verb: str,
    description: str,
    examples: Examples,
    *,
    word: str = "OVERRIDE",
    about: str = "group=option chooses a preset, key.subkey=value sets a value; see tcdflow ls and tcdflow explain",
    hidden: Sequence[str] = (),
) -> Arguments:
    """Return the parser of a verb that takes overrides. Flags that have no effect on it are accepted, and not shown.

    Args:
        verb: its name; empty for runs and sweeps, which have none.
        description: what it does.
        examples: commands that show it.
        word: what its words are called.
        about: what they are.
        hidden: flags that have no effect, by the names of their attributes.
    """
    parser = Arguments(verb, description, examples, get_args_parser())
    shown = (_SHARED if verb else _SHARED | _OF_RUNS) | {"overrides": about}
    metavars = {"overrides": word, "config_dir": "DIR", "package": "KEY", "cfg": "WHAT", "info": "WHAT"}
    for action in parser._actions:
        action.help = argparse.SUPPRESS if action.dest in hidden else shown.get(action.dest, argparse.SUPPRESS)
        action.metavar = metavars.get(action.dest, action.metavar)
    return parser


def read(parser: Arguments, argv: Sequence[str], *, words: bool = False) -> argparse.Namespace:
    """Parse flags and overrides.

    Args:
        parser: of the verb.
        argv: the arguments after it.
        words: whether words that are no overrides may be among them.

    Raises:
        ConfigError: if a flag or word is unknown or refused.
    """
    args = parser.read(argv)
    for name, reason in _REFUSED.items():
        if getattr(args, name):
            raise ConfigError([Problem("--" + name.replace("_", "-"), reason, getattr(args, name))])
    if not args.cfg and (args.resolve or args.package):
        raise ConfigError([Problem("--resolve" if args.resolve else "--package", "requires --cfg job")])
    if not words and (found := unknown_words(args.overrides, first=not parser.verb)):
        raise ConfigError(found)
    return args
