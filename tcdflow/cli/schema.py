"""``tcdflow schema [GROUP]``: the JSON schema of YAML files, for editors and other programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tcdflow.cli.arguments import Arguments
from tcdflow.config.places import groups
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.nearest import nearest
from tcdflow.spec.schema import EXPERIMENT, file_schema

EXAMPLES = (
    ("tcdflow schema", "print the schema of an experiment file: everything that a YAML may hold"),
    ("tcdflow schema loras", "print the schema of the files in conf/loras"),
)
_ABOUT = """\
Print the JSON schema (draft 2020-12) of a YAML file. Editors with the YAML language server check and complete a file
that names its schema in a comment: # yaml-language-server: $schema=experiment.json"""


def parser() -> Arguments:
    """Return the parser of its arguments."""
    parser = Arguments("schema", _ABOUT, EXAMPLES)
    parser.add_argument("group", nargs="?", default=EXPERIMENT, metavar="GROUP", help="a group; experiment if left out")
    return parser


def main(argv: Sequence[str]) -> int:
    """Print a schema."""
    group = parser().read(argv).group
    if group not in groups():
        what = f"unknown group; there are {', '.join(groups())}"
        raise ConfigError([Problem(group, what, nearest=nearest(group, groups()))])
    print(text(group))
    return 0


def text(group: str) -> str:
    """Return the schema of a group's files as JSON."""
    return json.dumps(file_schema(group, groups()), indent=1, ensure_ascii=False)
