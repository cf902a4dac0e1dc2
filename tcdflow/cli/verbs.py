"""The verbs, a row each: dispatch, ``--help``, suggestions and completion read this table.

A verb is a module of ``tcdflow.cli`` by its name, with ``parser()`` for its arguments and ``main(argv)`` for its work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from tcdflow.cli.arguments import Arguments


HELP = ("-h", "--help")


class Module(Protocol):
    """The module of a verb."""

    def parser(self) -> Arguments:
        """Return the parser of its arguments, which also writes its help."""

    def main(self, argv: Sequence[str]) -> int:
        """Do the work, and return the exit status.

        Args:
            argv: the arguments after the verb.
        """


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        name: what is typed; also the name of its module.
        arguments: what may follow, for the list of all verbs.
        summary: what it does, in a few words.
        takes: kinds of words that may follow at once, for completion: overrides, runs (paths), groups, keys,
            verbs, choices (of its parser).
        then: kinds of words that may follow later.
    """

    name: str
    arguments: str
    summary: str
    takes: tuple[str, ...]
    then: tuple[str, ...]

    @property
    def module(self) -> Module:
        """Its module, imported when first needed."""
        return cast(Module, import_module(f"tcdflow.cli.{self.name}"))


_OVERRIDES, _RUNS, _KEYS, _GROUPS, _VERBS = (("overrides",), ("runs",), ("keys",), ("groups",), ("verbs",))
_CHOICE = ("choices",)
_ROWS = (
    ("check", "[-m] [OVERRIDE ...]", "show what would run, and what is wrong; run nothing", _OVERRIDES, _OVERRIDES),
    ("fetch", "[OVERRIDE ... | PATH]", "download what a run or sweep needs", _RUNS + _OVERRIDES, _OVERRIDES),
    ("lock", "[OVERRIDE ...]", "write commits and hashes down; lock=FILE holds a run to them", _OVERRIDES, _OVERRIDES),
    ("resume", "DIR", "finish an interrupted sweep or distillation", _RUNS, _OVERRIDES),
    ("rerun", "PATH [OVERRIDE ...]", "make a run or image again; --verify compares pixels", _RUNS, _OVERRIDES),
    ("show", "PATH", "show what a run or image was made with; --yaml, --python write it", _RUNS, ()),
    ("distill", "[OVERRIDE ...]", "train a LoRA for few steps; --check shows what it takes", _OVERRIDES, _OVERRIDES),
    ("evaluate", "DIR ...", "compare what sweeps have made with a reference, by numbers", _RUNS, _RUNS),
    ("measure", "DIR METRIC ...", "measure images: against prompts, or a reference such as more steps", _RUNS, _CHOICE),
    ("track", "DIR [OVERRIDE ...]", "hand what is done to a tracker: TensorBoard, MLflow, W&B", _RUNS, _OVERRIDES),
    ("gallery", "DIR ...", "write the page to look at runs and sweeps with", _RUNS, _RUNS),
    ("shell", "[FILE]", "run commands line by line, with the model loaded once", _RUNS, ()),
    ("warm", "start | status | stop", "keep the model loaded between commands", _CHOICE, ()),
    ("init", "DIR", "lay out a config directory with an experiment to begin with", _RUNS, ()),
    ("ls", "[GROUP | GROUP.]", "list groups, a group's presets or (with a dot) its keys", _GROUPS + _KEYS, _GROUPS),
    ("explain", "KEY", "show type, range, default and meaning of a key", _KEYS + _GROUPS + _VERBS, _KEYS),
    ("schema", "[GROUP]", "print the JSON schema of an experiment file, or of a group's files", _GROUPS, ()),
    ("help", "[COMMAND]", "show this help, or that of a command", _VERBS, ()),
)
VERBS = {row[0]: Verb(*row) for row in _ROWS}
