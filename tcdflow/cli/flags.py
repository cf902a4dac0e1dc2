"""Arguments of verbs that take overrides: Hydra's own flags; those that run code from a file are refused."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from tcdflow.cli.arguments import Arguments, Examples
from tcdflow.cli.suggest import unknown_words
from tcdflow.config import named, personal
from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError, Problem

_REFUSED = {
    "experimental_rerun": "is refused: it unpickles a file, which can run code",
    "config_path": "is refused: it would replace tcdflow's own configs; --config-dir adds to them",
    "config_name": "is refused: it would replace tcdflow's own config; experiment=NAME chooses a YAML",
}
_SWITCH: dict[str, Any] = {"action": "store_true"}
FETCH: tuple[tuple[str, ...], dict[str, Any], str] = (
    ("--fetch",),
    _SWITCH,
    "download also from addresses that only a file names: a YAML of --config-dir, a record, a plan",
)
_SHARED: tuple[tuple[tuple[str, ...], dict[str, Any], str], ...] = (
    (("--multirun", "-m"), _SWITCH, "a sweep: commas, range() and choice() make several values"),
    (("--config-dir", "-cd"), {"metavar": "DIR"}, "a directory laid out like conf/ that adds your own YAMLs"),
    FETCH,
    (("--no-defaults",), _SWITCH, f"leave out your personal defaults; {personal.VARIABLE}=off does too"),
)
_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_OF_RUNS: tuple[tuple[tuple[str, ...], dict[str, Any], str], ...] = (
    (
        ("--cfg", "-c"),
        {"choices": ("job", "hydra", "all"), "metavar": "WHAT"},
        "print the composed config: job, hydra or all",
    ),
    (("--resolve",), _SWITCH, "with --cfg: replace interpolations by their values"),
    (("--package", "-p"), {"metavar": "KEY"}, "with --cfg: print only this part, such as sampling"),
    (
        ("--info", "-i"),
        {"nargs": "?", "const": "all", "choices": _INFO, "metavar": "WHAT"},
        f"print how Hydra composes the config: {', '.join(_INFO)}",
    ),
    (
        ("--shell-completion", "-sc"),
        _SWITCH,
        'completion of commands, keys and values; in bash: eval "$(tcdflow -sc install=bash)"; also zsh, fish',
    ),
    (("--version",), _SWITCH, "print the version of tcdflow"),
    (("--hydra-help",), _SWITCH, "print Hydra's own help"),
    (("--run", "-r"), _SWITCH, argparse.SUPPRESS),
    (("--config-path", "-cp"), {}, argparse.SUPPRESS),
    (("--config-name", "-cn"), {}, argparse.SUPPRESS),
    (("--experimental-rerun",), {}, argparse.SUPPRESS),
)


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
        hidden: flags that have no effect, such as ``--multirun``.
    """
    parser = Arguments(verb, description, examples)
    parser.add_argument("overrides", nargs="*", metavar=word, help=about)
    for flags, settings, meaning in _SHARED:
        parser.add_argument(*flags, **settings, help=argparse.SUPPRESS if flags[0] in hidden else meaning)
    for flags, settings, meaning in _OF_RUNS:
        parser.add_argument(*flags, **settings, help=argparse.SUPPRESS if verb else meaning)
    return parser


def read(parser: Arguments, argv: Sequence[str], *, words: bool = False) -> argparse.Namespace:
    """Parse flags and overrides.

    Args:
        parser: of the verb.
        argv: the arguments after it.
        words: whether words that are not overrides may be among them.

    Raises:
        ConfigError: if a flag or word is unknown or refused.
    """
    args = parser.read(argv)
    for name, reason in _REFUSED.items():
        if getattr(args, name):
            raise ConfigError([Problem("--" + name.replace("_", "-"), reason, getattr(args, name))])
    if not args.cfg and (args.resolve or args.package):
        raise ConfigError([Problem("--resolve" if args.resolve else "--package", "requires --cfg job")])
    if not words:
        find_file(args)
    if not words and (found := unknown_words(args.overrides, argv, first=not parser.verb)):
        raise ConfigError(found)
    return args


def find_file(args: argparse.Namespace) -> None:
    """Tell a YAML that is named by its path from the overrides.

    Raises:
        ConfigError: if it is not there, or a second one is named.
    """
    args.words = named.read(args.overrides)
    args.overrides = list(args.words.overrides)


def composer(args: argparse.Namespace, *, fetch: bool = False) -> Composer:
    """Return what composes the runs that arguments ask for: with a YAML named by its path, and personal defaults.

    Args:
        args: as they were read.
        fetch: whether addresses may be asked that only files name, as with ``--fetch``.

    Raises:
        ConfigError: if one of the places is not what it should be.
    """
    words: named.Words = args.words
    own = None if args.no_defaults else personal.find()
    return Composer(args.config_dir or words.beside, experiment=words.file, personal=own, fetch=fetch or args.fetch)
