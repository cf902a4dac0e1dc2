"""Hydra's command-line flags, parsed by Hydra's parser; those that run code from a file are refused."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import NoReturn

from tcdflow.errors import ConfigError, Problem
from tcdflow.libraries.hydra import arguments
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
    parser = arguments()

    def wrong(message: str) -> NoReturn:
        flag = next((text for text in argv if text.startswith("-") and text in message), "command line")
        known = re.findall(r"--[a-z-]+", parser.format_usage())
        raise ConfigError([Problem(flag, message, nearest=nearest(flag, known) if flag.startswith("--") else None)])

    parser.error = wrong  # type: ignore[method-assign]
    args = parser.parse_intermixed_args(list(argv))
    for name, reason in _REFUSED.items():
        if getattr(args, name):
            raise ConfigError([Problem("--" + name.replace("_", "-"), reason, getattr(args, name))])
    if not args.cfg and (args.resolve or args.package):
        raise ConfigError([Problem("--resolve" if args.resolve else "--package", "goes with --cfg job")])
    return args
