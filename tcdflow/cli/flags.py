"""Hydra's command-line flags, parsed by Hydra's parser; those that run code from a file are refused."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.nearest import nearest

_REFUSED = {
    "experimental_rerun": "is refused: it unpickles a file, which can run code",
    "config_path": "is refused: it would replace tcdflow's own configs; --config-dir adds to them",
    "config_name": "is refused: it would replace tcdflow's own config; experiment=NAME chooses a YAML",
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse flags and overrides.

    Raises:
        ConfigError: if a flag is unknown or refused.
    """
    parser = get_args_parser()

    def wrong(message: str) -> NoReturn:
        flag = next((text for text in argv if text.startswith("-") and text in message), "command line")
        known = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
        raise ConfigError([Problem(flag, message, nearest=nearest(flag, known) if flag.startswith("--") else None)])

    parser.error = wrong  # type: ignore[method-assign]
    args = parser.parse_intermixed_args(list(argv))
    for name, reason in _REFUSED.items():
        if getattr(args, name):
            raise ConfigError([Problem("--" + name.replace("_", "-"), reason, getattr(args, name))])
    if not args.cfg and (args.resolve or args.package):
        raise ConfigError([Problem("--resolve" if args.resolve else "--package", "goes with --cfg job")])
    return args
